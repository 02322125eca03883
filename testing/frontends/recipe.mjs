/**
 * A front end for a language of its own. Each line is a step:
 *
 *     from IMAGE           start with an image
 *     file PATH TEXT       write a file
 *     run COMMAND          run a command
 *     config JSON          the image's config
 *     dockerfile TEXT      let the Dockerfile front end build a text, in which `\\n` ends a line
 *     fail TEXT            fail with a text, and the line as its place
 *     exit CODE TEXT       write to standard error, and exit
 *     show OPTION          write the value of an option to the file /OPTION, with - for what is no letter
 *     wait                 wait for ever
 *
 * It answers the questions `frontend.subrequests.describe` and `frontend.targets`.
 */
import { Gateway, Graph, bytes, input, int, message, options, text } from "./protocol.mjs";

const gateway = new Gateway();
const given = options();

await gateway.call("Ping");
const recipe = await readRecipe();
const question = given.get("requestid");
if (question === undefined) await build(recipe);
else await answer(question);
gateway.close();

async function readRecipe() {
  const name = given.get("filename") ?? "Dockerfile";
  const graph = new Graph();
  const attributes = {
    "local.session": process.env.BUILDKIT_SESSION_ID,
    "local.followpaths": JSON.stringify([name]),
    "local.sharedkeyhint": "dockerfile",
  };
  const inputs = await gateway.inputs();
  const definition =
    inputs.get("dockerfile") ??
    graph.definition(graph.source("local://dockerfile", attributes, `[recipe] load ${name}`));
  const data = await gateway.read(await gateway.solve(definition), name);
  return { name, data };
}

async function answer(asked) {
  const list = [{ name: "frontend.subrequests.describe" }, { name: "frontend.targets" }];
  if (asked === "frontend.subrequests.describe")
    return await gateway.return(undefined, { "result.json": JSON.stringify(list), "result.txt": "recipes\n" });
  const targets = { targets: [{ name: "recipe", default: true, description: "one target" }], sources: [] };
  if (asked === "frontend.targets")
    return await gateway.return(undefined, {
      "result.json": JSON.stringify(targets),
      "result.txt": "one target\n",
      version: "1.0.0",
    });
  return await gateway.fail(`unsupported request ${asked}`);
}

async function build({ name, data }) {
  const graph = new Graph();
  let state;
  let config = "{}";
  for (const [index, whole] of data.toString().split("\n").entries()) {
    const line = index + 1;
    const [, word = "", rest = ""] = /^(\w+) ?(.*)$/.exec(whole) ?? [];
    switch (word) {
      case "":
        break;
      case "from":
        state = graph.source(`docker-image://${rest}`, {}, `from ${rest}`, line);
        break;
      case "file": {
        const [, path, content] = /^(\S+) (.*)$/.exec(rest);
        state = file(graph, state, path, content, line);
        break;
      }
      case "show":
        state = file(graph, state, `/${rest.replace(/[^a-zA-Z]/g, "-")}`, given.get(rest) ?? "", line);
        break;
      case "run":
        state = exec(graph, state, rest, line);
        break;
      case "config":
        config = rest;
        break;
      case "warn":
        await gateway.warn(rest);
        break;
      case "dockerfile": {
        const inner = new Graph();
        const written = file(inner, undefined, "/Dockerfile", rest.replaceAll("\\n", "\n"));
        const graph = inner.definition(written);
        const result = await gateway.ask("dockerfile.v0", {}, { context: graph, dockerfile: graph });
        return await gateway.returnRaw(result);
      }
      case "fail": {
        const range = { start: { line }, end: { line } };
        const info = { filename: name, data: data.toString("base64"), language: "Recipe" };
        const json = { info, ranges: [range] };
        return await gateway.fail(rest, [{ type: "github.com/moby/buildkit/errdefs.Source+json", json }]);
      }
      case "exit": {
        const [, code, words] = /^(\d+) (.*)$/.exec(rest);
        process.stderr.write(`${words}\n`, () => process.exit(Number(code)));
        return await new Promise(() => undefined);
      }
      case "wait":
        process.stderr.write("waiting\n");
        return await new Promise(() => setInterval(() => undefined, 1000));
      default:
        return await gateway.fail(`line ${line}: unknown step ${word}`);
    }
  }
  const ref = state && (await gateway.solve(graph.definition(state, { name, data })));
  const platform = { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch };
  const image = { ...platform, config: JSON.parse(config), rootfs: { type: "layers", diff_ids: [] } };
  await gateway.return(ref, { "containerimage.config": JSON.stringify(image) });
}

function file(graph, state, path, content, line) {
  const mkfile = message(text(1, path), int(2, 0o644), bytes(3, Buffer.from(content)), int(5, -1));
  const action = message(int(1, state === undefined ? -1 : 0), int(2, -1), bytes(5, mkfile));
  return graph.add(message(state === undefined ? [] : input(state), bytes(4, bytes(2, action))), `file ${path}`, line);
}

function exec(graph, state, command, line) {
  const meta = message(
    ["/bin/sh", "-c", command].map((word) => text(1, word)),
    text(3, "/"),
  );
  const mount = message(text(3, "/"));
  return graph.add(message(input(state), bytes(2, message(bytes(1, meta), bytes(2, mount)))), `run ${command}`, line);
}
