import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fromJsonString } from "@bufbuild/protobuf";
import {
  type BuildkitDaemon,
  type DrivenBuild,
  buildkitDaemon,
  driveBuild,
  encoded,
} from "../../../../testing/buildkit-daemon.ts";
import { recordsMissing } from "../../../../testing/records.ts";
import { fillRootfs, rootfsUnavailable } from "../../../../testing/rootfs.ts";
import { healthy, openSession } from "../../../../testing/session-client.ts";
import { servedDirectories } from "../../../../testing/session-files.ts";
import { type GrpcClient, GrpcError, invoke } from "../../../grpc/index.ts";
import { type State, diff, fileActions, local, scratch } from "../../../llb/index.ts";
import { statusOf } from "../errors/status.ts";
import { type Solve, SolveSchema } from "../proto/gen/errdefs_pb.ts";
import { LLBBridge } from "../proto/gen/gateway_pb.ts";
import { called } from "../proto/methods.ts";

const { method } = LLBBridge;

suite("the detail of what cannot be solved", { skip: recordsMissing() ?? rootfsUnavailable() ?? false }, () => {
  let daemon: BuildkitDaemon;
  let client: GrpcClient;
  before(async () => {
    daemon = await buildkitDaemon();
    client = await daemon.grpc.client();
  });
  after(async () => {
    client.close();
    await daemon[Symbol.asyncDispose]();
  });

  async function failureOf(call: Promise<unknown>): Promise<{ readonly names: string[]; readonly solve: Solve }> {
    try {
      await call;
    } catch (error) {
      assert.ok(error instanceof GrpcError, String(error));
      const { details } = statusOf(error);
      const names = details.map(({ typeUrl }) => typeUrl.replace("github.com/moby/buildkit/", ""));
      const [value = Buffer.alloc(0)] = details
        .filter((_, index) => names[index] === "errdefs.Solve+json")
        .map((each) => each.value);
      return { names, solve: fromJsonString(SolveSchema, Buffer.from(value).toString()) };
    }
    return assert.fail("it was solved");
  }

  async function readText({ call }: DrivenBuild, ref: string | undefined, filePath: string): Promise<string> {
    const { data } = await invoke(client, called(method.readFile), { ref: ref ?? "", filePath }, call);
    return Buffer.from(data).toString();
  }

  const asked = (graph: State, evaluate: boolean) => {
    return { definition: encoded(graph), evaluate, allowResultReturn: true, allowResultArrayRef: true };
  };

  /** Solves a graph in the call that names it, or in a later one. */
  async function solveGraph({ call }: DrivenBuild, graph: State, evaluate: boolean): Promise<void> {
    const { result } = await invoke(client, called(method.solve), asked(graph, evaluate), call);
    assert.ok(result?.result.case === "ref");
    await invoke(client, called(method.evaluate), { ref: result.result.value.id }, call);
  }

  test("has the action of a file op, and what the actions before it made", async () => {
    const build = await driveBuild(client);
    const actions = fileActions().mkfile("/a", 0o644, "text").rm("/missing");
    const graph = scratch().file(actions, { name: "made" });
    for (const evaluate of [true, false]) {
      const { names, solve } = await failureOf(solveGraph(build, graph, evaluate));
      assert.deepEqual(names, ["errdefs.Solve+json", "errdefs.Vertex+json"]);
      assert.deepEqual([solve.subject.case, solve.subject.value?.index], ["file", 1n]);
      assert.equal(solve.op?.op.case, "file");
      assert.equal(solve.description["llb.customname"], "made");
      assert.equal(solve.mountIDs.length, 2);
      assert.equal(
        await readText(
          build,
          solve.mountIDs.find((id) => id !== ""),
          "/a",
        ),
        "text",
      );
    }
    await build.return();
  });

  test("has what a failed step wrote, by the order of its mounts", async () => {
    const root = join(daemon.folder, "rootfs");
    await mkdir(root);
    fillRootfs(root);
    await using session = openSession(client, [servedDirectories(new Map([["root", root]])), healthy]);
    const build = await driveBuild(client, { session: session.id });
    const { root: graph } = local("root").run({
      args: ["/bin/sh", "-c", "echo out > /f; echo scratch > /rw/f; exit 3"],
      mounts: [{ type: "bind", target: "/rw", source: scratch() }],
    });
    const { names, solve } = await failureOf(invoke(client, called(method.solve), asked(graph, true), build.call));
    assert.deepEqual(names, ["errdefs.Solve+json", "errdefs.Vertex+json", "gatewayapi.ExitMessage+json"]);
    assert.ok(solve.op?.op.case === "exec");
    const dests = solve.op.op.value.mounts.map(({ dest }) => dest);
    assert.equal(await readText(build, solve.mountIDs[dests.indexOf("/")], "/f"), "out\n");
    assert.equal(await readText(build, solve.mountIDs[dests.indexOf("/rw")], "/f"), "scratch\n");
    const [input] = solve.inputIDs;
    await assert.rejects(readText(build, input, "/f"), /open \/f: no such file/);
    const returned = { result: { result: { case: "ref", value: { id: input ?? "" } } } } as const;
    await assert.rejects(invoke(client, called(method.return), returned, build.call), /return reference .* not found/);
    await build.return();
  });

  test("an empty filesystem has no files, and can be listed", async () => {
    const build = await driveBuild(client);
    const made = scratch().file(fileActions().mkdir("/a", 0o755));
    const { result } = await invoke(client, called(method.solve), asked(diff(made, made), true), build.call);
    assert.ok(result?.result.case === "ref");
    const { id: ref } = result.result.value;
    const { entries } = await invoke(client, called(method.readDir), { ref, dirPath: "/" }, build.call);
    assert.deepEqual(entries, []);
    await assert.rejects(readText(build, ref, "/a"), /open \/a: no such file or directory/);
    await build.return();
  });

  test("is empty for what is no failure of an op", async () => {
    const build = await driveBuild(client);
    const { names, solve } = await failureOf(
      invoke(client, called(method.solve), { definition: Buffer.from("no graph"), evaluate: true }, build.call),
    );
    assert.deepEqual(names, ["errdefs.Solve+json"]);
    assert.deepEqual([solve.op, solve.inputIDs, solve.subject.case], [undefined, [], undefined]);
    await build.return();
  });
});
