import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { timestampMs } from "./messages.ts";
import { type BuildFixture, buildFixture } from "../../../testing/builds.ts";
import { recordsMissing } from "../../../testing/records.ts";
import { fillRootfs, rootfsUnavailable } from "../../../testing/rootfs.ts";
import { mkdirSync } from "node:fs";
import type { VertexMessage } from "./messages.ts";
import { StatusLog } from "./status-log.ts";

const skip = recordsMissing() ?? rootfsUnavailable() ?? false;

const DOCKERFILE = `FROM scratch AS base
COPY root /
FROM base AS other
COPY root /other
FROM base
RUN echo hello
COPY f /f
`;

async function context(fixture: BuildFixture, dockerfile = DOCKERFILE): Promise<string> {
  const path = await fixture.files("c", { Dockerfile: dockerfile, f: "f" });
  const root = join(path, "root");
  mkdirSync(root, { recursive: true });
  if (dockerfile === DOCKERFILE) fillRootfs(root);
  return path;
}

interface Shown {
  readonly last: ReadonlyMap<string, VertexMessage>;
  readonly output: string;
}

/** Builds, and returns the last state of each vertex by its name. Checks what every status has in common. */
async function statusOf(
  fixture: BuildFixture,
  path: string,
  abort?: { readonly at: string; readonly controller: AbortController },
): Promise<Shown> {
  const log = new StatusLog();
  const onEvent: NonNullable<Parameters<BuildFixture["build"]>[1]>["onEvent"] = (event) => {
    log.append(event);
    if (event.kind === "vertex" && event.name.includes(abort?.at ?? "\0") && event.startedAt !== undefined)
      abort?.controller.abort();
  };
  await fixture
    .build(path, { onEvent, outputs: [{ type: "cacheonly" }], signal: abort?.controller.signal })
    .catch(() => undefined);
  log.close();
  const messages = await Array.fromAsync(log.read());
  const last = new Map<string, VertexMessage>();
  const known = new Set<string>();
  for (const { vertexes, statuses, logs, warnings } of messages) {
    for (const vertex of vertexes) {
      last.set(vertex.name, vertex);
      known.add(vertex.digest);
    }
    for (const { vertex } of [...statuses, ...logs, ...warnings]) assert.ok(known.has(vertex));
  }
  for (const { name, started, completed } of last.values()) {
    assert.equal(started === undefined, completed === undefined, `${name} is left running`);
    if (started && completed) assert.ok(timestampMs(started) <= timestampMs(completed), name);
  }
  for (const { inputs } of last.values()) for (const input of inputs) assert.ok(known.has(input));
  return { last, output: Buffer.concat(messages.flatMap(({ logs }) => logs.map(({ msg }) => msg))).toString() };
}

function stateOf({ last }: Shown, name: string): string {
  const [, vertex] = [...last].find(([key]) => key.endsWith(name)) ?? [];
  assert.ok(vertex, `no vertex ${name} among ${[...last.keys()].join(", ")}`);
  return vertex.cached ? "cached" : vertex.error || (vertex.completed ? "done" : "announced");
}

test("the status of builds: executed, cached, failed and cancelled", { skip }, async () => {
  await using fixture = await buildFixture();
  const path = await context(fixture);
  const executed = await statusOf(fixture, path);
  for (const step of ["COPY root /", "RUN echo hello", "COPY f /f"]) assert.equal(stateOf(executed, step), "done");
  for (const load of ["load build definition from Dockerfile", "load .dockerignore", "load build context"])
    assert.equal(stateOf(executed, load), "done");
  assert.equal(executed.output.includes("hello\n"), true);
  const cached = await statusOf(fixture, path);
  for (const step of ["COPY root /", "RUN echo hello", "COPY f /f"]) assert.equal(stateOf(cached, step), "cached");
  assert.notEqual(stateOf(cached, "load build context"), "context canceled");

  const failing = await context(fixture, DOCKERFILE.replace("echo hello", "echo oops; exit 3"));
  const failed = await statusOf(fixture, failing);
  assert.match(stateOf(failed, "RUN echo oops; exit 3"), /did not complete successfully: exit code: 3$/);
  assert.equal(stateOf(failed, "COPY f /f"), "announced");
  assert.equal(stateOf(failed, "load build context"), "done");
  assert.equal(failed.output.includes("oops\n"), true);

  const missing = await context(fixture, DOCKERFILE.replace("COPY f /f", "COPY nope /f"));
  assert.match(
    stateOf(await statusOf(fixture, missing), "COPY nope /f"),
    /^failed to calculate checksum of ref \S+ "\/nope": not found$/,
  );

  const waiting = await context(fixture, DOCKERFILE.replace("echo hello", "sleep 60"));
  const abort = { at: "RUN sleep", controller: new AbortController() };
  const cancelled = await statusOf(fixture, waiting, abort);
  assert.equal(stateOf(cancelled, "RUN sleep 60"), "context canceled");
  assert.equal(stateOf(cancelled, "COPY f /f"), "announced");
});
