/**
 * A front end that tries what it must not be able to do. What the builder answered is in the metadata `frontend.report`: JSON, by the name of
 * the attempt. The option `build-arg:mode` names another behaviour: `garbage`, `silent`, `endless` or `flood`.
 */
import { readdirSync } from "node:fs";
import { request } from "node:http";
import { Gateway, Graph, bytes, entry, int, message, options, text } from "./protocol.mjs";

const given = options();
const mode = given.get("build-arg:mode") ?? "report";
if (mode === "garbage") {
  process.stdout.write("this is no HTTP/2\n".repeat(1000));
  setInterval(() => undefined, 1000);
} else if (mode === "silent") process.exit(0);
else await speak(new Gateway());

async function speak(gateway) {
  if (mode === "endless") for (;;) await gateway.call("Ping");
  if (mode === "flood") for (;;) await Promise.all(Array.from({ length: 500 }, () => gateway.call("Ping")));
  const report = await attempts(gateway);
  await gateway.return(undefined, { "frontend.report": JSON.stringify(report) });
  gateway.close();
}

async function attempts(gateway) {
  const report = {};
  const attempt = async (what, work) => {
    try {
      report[what] = { answer: String((await work()) ?? "") };
    } catch (error) {
      report[what] = { code: error.code, error: error.message };
    }
  };
  const graph = new Graph();
  const file = (action) => message(bytes(4, bytes(2, message(int(1, -1), int(2, -1), action))));
  const link = bytes(8, message(text(1, "/etc"), text(2, "/link")));
  const ref = await gateway.solve(graph.definition(graph.add(file(link), "link")));
  const other = given.get("build-arg:other") ?? "";
  const forged = { "buildkit-controlapi-buildid": given.get("build-arg:build") ?? "" };
  const readOf = (id, path) => message(text(1, id), text(2, path));
  await attempt("path above the root", () => gateway.read(ref, "../../../../etc/hostname"));
  await attempt("link out of the root", () => gateway.read(ref, "link/hostname"));
  await attempt("reference of another build", () => gateway.read(other, "secret"));
  await attempt("id of another build", () => gateway.call("ReadFile", readOf(other, "secret"), forged));
  await attempt("return of another build's reference", () => gateway.return(other));
  await attempt("a local directory of nobody", async () => {
    const local = new Graph();
    const source = local.source("local://etc", {}, "etc");
    return await gateway.read(await gateway.solve(local.definition(source)), "passwd");
  });
  await attempt("a large message", () => gateway.call("Warn", bytes(3, Buffer.alloc(17 * 1024 * 1024))));
  await attempt("a result of many", () => {
    const refs = Array.from({ length: 2000 }, (_, index) => entry(1, `p/${index}`, text(1, ref)));
    return gateway.returnRaw(bytes(4, message(refs)));
  });
  await attempt("a graph that is none", () => gateway.solve(Buffer.alloc(1000, 0xff)));
  await attempt("a host's network", async () => {
    const graph = new Graph();
    const meta = message(text(1, "/bin/true"), text(3, "/"));
    const exec = bytes(2, message(bytes(1, meta), bytes(2, text(3, "/")), int(3, 1)));
    const base = graph.add(file(link), "base");
    const step = graph.add(message(bytes(1, text(1, base.digest)), exec), "host");
    return await gateway.solve(graph.definition(step), { evaluate: true });
  });
  await attempt("a file name out of its place", async () => {
    const graph = new Graph();
    const attributes = { "http.filename": "../../../../tmp/escaped" };
    return await gateway.solve(graph.definition(graph.source("http://127.0.0.1:1/x", attributes, "x")), {
      evaluate: true,
    });
  });
  const container = (id, mounted) =>
    gateway.call("NewContainer", message(text(1, id), bytes(2, message(text(3, "/"), text(23, mounted)))));
  await attempt("a container of another build's reference", () => container("stolen", other));
  await attempt("containers by the hundred", async () => {
    for (let count = 0; count < 100; count += 1) await container(`c${count}`, ref);
  });
  await attempt("another service", () => gateway.call("ListWorkers", undefined, {}, "moby.buildkit.v1.Control"));
  await attempt("a front end of that name", () => gateway.ask("other.v0", {}));
  await attempt("a file of the machine", async () => {
    const { promise, resolve, reject } = Promise.withResolvers();
    request({ socketPath: given.get("build-arg:socket") ?? "/", path: "/" }, resolve)
      .on("error", reject)
      .end();
    return (await promise).statusCode;
  });
  report["sees"] = { processes: readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length };
  return report;
}
