import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bytesOf } from "../../../io/index.ts";
import type { ClassicBuildRequest } from "../build-request.ts";
import type { VarveError } from "../../../core/index.ts";
import { buildRequest } from "./build-parameters.ts";

const query = (value: object): string => encodeURIComponent(JSON.stringify(value));

function parsed(text: string, headers: readonly (readonly [string, string])[] = []): ClassicBuildRequest {
  const signal = new AbortController().signal;
  const request = {
    method: "POST",
    path: "/build",
    query: new URLSearchParams(text),
    headers: new Map(headers),
    contentLength: 0,
    body: bytesOf(),
    signal,
  };
  return buildRequest({ query: request.query, request, version: "1.51" });
}

describe("parameters of a build", () => {
  test("booleans are read in the forms that clients send (E5)", () => {
    const { quiet, noCache, pull, remove } = parsed("q=True&nocache=False&pull=none&rm=False");
    assert.deepEqual({ quiet, noCache, pull, remove }, { quiet: true, noCache: false, pull: false, remove: "never" });
    assert.deepEqual(
      ["", "rm=", "rm=1", "rm=0&forcerm=1"].map((text) => parsed(text).remove),
      ["on-success", "on-success", "on-success", "always"],
    );
  });

  test("malformed numbers count as 0, and empty values as absent", () => {
    const { limits, target, platform, dockerfile, tags } = parsed(
      "memory=x&memswap=-1&cpushares=5&shmsize=64&target=&platform=&dockerfile=&t=&t=a&t=b",
    );
    assert.deepEqual([limits.memory, limits.memorySwap, limits.cpuShares, limits.shmSize], [0, -1, 5, 64]);
    assert.deepEqual(
      { target, platform, dockerfile, tags },
      { target: undefined, platform: undefined, dockerfile: "Dockerfile", tags: ["a", "b"] },
    );
  });

  test("JSON parameters keep keys that Object.prototype has", () => {
    const { buildArgs, labels, cacheFrom, limits } = parsed(
      `buildargs=${query(JSON.parse('{"__proto__":"x","A":null}') as object)}&labels=null&cachefrom=["a"]&ulimits=${query([{ Name: "nofile", Soft: 1, Hard: 2 }])}`,
    );
    assert.deepEqual(
      [...buildArgs],
      [
        ["__proto__", "x"],
        ["A", null],
      ],
    );
    assert.deepEqual([labels.size, cacheFrom, limits.ulimits], [0, ["a"], [{ name: "nofile", soft: 1, hard: 2 }]]);
  });

  test("credentials are read in base64 and base64url; malformed ones are ignored (E17)", async () => {
    const config = JSON.stringify({ "https://index.docker.io/v1/": { username: "ü>?", password: "~~~" } });
    for (const alphabet of ["base64", "base64url"] as const) {
      const { credentials } = parsed("", [["x-registry-config", Buffer.from(config).toString(alphabet)]]);
      assert.deepEqual(await credentials("docker.io", {}), { kind: "basic", username: "ü>?", password: "~~~" });
      assert.deepEqual(await credentials("other.example", {}), { kind: "anonymous" });
    }
    assert.deepEqual(await parsed("", [["x-registry-config", "%%%"]]).credentials("docker.io", {}), {
      kind: "anonymous",
    });
  });

  test("secrets are read from their header; the message of an error shows nothing of it", () => {
    const { secrets } = parsed("", [["x-varve-secrets", '{"a":"eA==","__proto__":"-_8","empty":""}']]);
    assert.deepEqual(
      [...secrets].map(([id, value]) => [id, Buffer.from(value).toString("hex")]),
      [
        ["a", "78"],
        ["__proto__", "fbff"],
        ["empty", ""],
      ],
    );
    assert.equal(parsed("").secrets.size, 0);
    for (const wrong of ["hidden", '["hidden"]', '{"a":"hid den"}', '{"":"aGlkZGVu"}', '{"a":{"hidden":1}}'])
      assert.throws(
        () => parsed("", [["x-varve-secrets", wrong]]),
        (error: VarveError) => error.details.apiStatus === 400 && !error.message.includes("hid"),
      );
  });
});
