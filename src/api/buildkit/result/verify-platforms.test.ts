import assert from "node:assert/strict";
import { test } from "node:test";
import { type BuildEvent, Progress } from "../../../engine/index.ts";
import type { FrontendResult, ResultRef } from "./result.ts";
import { NO_SOURCES } from "./sources.ts";
import { resultPlatforms } from "./targets.ts";
import { verifyPlatforms, withRequest } from "./verify-platforms.ts";

const REF: ResultRef = { edge: undefined, sources: NO_SOURCES };

function resultFor(ids: readonly string[], isMulti = ids.length > 1): FrontendResult {
  const platforms = ids.map((ID) => {
    const [os, architecture, version] = ID.split("/");
    return { ID, Platform: { os, architecture, ...(version && { "os.version": version }) } };
  });
  return {
    refs: isMulti
      ? { kind: "map", refs: new Map(ids.map((id) => [id, REF])) }
      : { kind: "single", ref: ids.length === 0 ? undefined : REF },
    metadata: new Map(
      ids.length === 0 ? [] : [["refs.platforms", Buffer.from(JSON.stringify({ Platforms: platforms }))]],
    ),
  };
}

/** Returns the warnings, and checks that they belong to a vertex that was announced before. */
async function warningsFor(result: FrontendResult, platform?: string): Promise<string[]> {
  const events: BuildEvent[] = [];
  const attributes = new Map(platform === undefined ? [] : [["platform", platform]]);
  await verifyPlatforms(result, attributes, new Progress((event) => void events.push(event)));
  const [first] = events;
  if (first !== undefined) assert.ok(first.kind === "vertex" && first.name === "Verifying build result");
  return events.flatMap((event) => {
    if (event.kind !== "warning") return [];
    assert.equal(event.vertex, first?.kind === "vertex" ? first.digest : "");
    return [event.short];
  });
}

test("platforms that were not asked for cause a warning", async () => {
  const both = ["linux/amd64", "linux/arm64"];
  for (const [platform, result, expected] of [
    ["linux/amd64,linux/arm64", resultFor(both), []],
    ["linux/arm64,linux/amd64", resultFor(both), []],
    [
      "linux/amd64,linux/arm64",
      resultFor(["linux/amd64"]),
      ["Multiple platforms requested but result is not multi-platform"],
    ],
    [
      "linux/arm64",
      resultFor(["linux/amd64"]),
      ['Requested platform "linux/arm64" does not match result platform "linux/amd64"'],
    ],
    ["linux/amd64", resultFor(["linux/amd64"], true), []],
    ["windows/amd64", resultFor(["windows/amd64/10.0"]), []],
    [
      "linux/amd64,linux/s390x",
      resultFor(both),
      ["Requested platforms linux/amd64,linux/s390x do not match result platforms linux/amd64,linux/arm64"],
    ],
    ["linux/amd64,linux/amd64", resultFor(both), ['Duplicate platform result requested "linux/amd64"']],
    ["linux/arm64", resultFor([]), []],
  ] as const)
    assert.deepEqual(await warningsFor(result, platform), expected, platform);
  const [invalid = ""] = await warningsFor(resultFor(both), "a b");
  assert.match(invalid, /^Invalid platform result requested "a b": /);
});

test("several filesystems need their platforms", async () => {
  const { refs } = resultFor(["linux/amd64", "linux/arm64"]);
  await assert.rejects(warningsFor({ refs, metadata: new Map() }), {
    message: "build result contains multiple refs without platforms mapping",
  });
});

test("a result has what the client asked for", () => {
  const attributes = new Map([
    ["platform", "linux/arm64"],
    ["label:a", "<b>"],
    ["requestid", "frontend.lint"],
  ]);
  const { metadata } = withRequest(resultFor([]), attributes);
  assert.equal(
    Buffer.from(metadata.get("verifier.requestopts") ?? []).toString(),
    '{"Platforms":["linux/arm64"],"Labels":{"a":"\\u003cb\\u003e"},"Request":"frontend.lint"}',
  );
});

test("platforms and image configs that an exporter cannot use are refused with BuildKit's texts", () => {
  for (const [key, text, message] of [
    ["refs.platforms", "null", "invalid empty platforms index for exporter"],
    ["refs.platforms", "", "invalid empty platforms index for exporter"],
    ["refs.platforms", "[]", "failed to parse platforms passed to provenance processor"],
    [
      "refs.platforms",
      '{"Platforms":[{"ID":"","Platform":{"os":"linux"}}]}',
      "invalid empty platform key for exporter",
    ],
    [
      "refs.platforms",
      '{"Platforms":[{"ID":"x","Platform":{"os":"linux"}}]}',
      "invalid platform value { linux   []} for exporter",
    ],
    ["containerimage.config", "null", "invalid null image config for export"],
    ["containerimage.config", '{"os":"linux"}', "invalid image config: os and architecture must be specified together"],
  ] as const)
    assert.throws(
      () => resultPlatforms({ refs: { kind: "single", ref: REF }, metadata: new Map([[key, Buffer.from(text)]]) }),
      { message },
      text,
    );
});
