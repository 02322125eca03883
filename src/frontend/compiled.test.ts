import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { digestOf, goJson, type JsonValue, parsePlatform, sortKeys, VarveError } from "../core/index.ts";
import { parseDockerfile } from "../dockerfile/index.ts";
import { type Definition, definitionOf, encodeDefinition } from "../llb/index.ts";
import { parseIgnoreFile } from "../pattern/index.ts";
import { compileDockerfile, type CompileHost, type CompileOptions, type ImageDraft } from "./index.ts";

/** What BuildKit's front end made of a Dockerfile for one platform. */
interface Compiled {
  readonly platform?: string;
  /** The beginnings of digests: of each entry of the definition, in order, and of its metadata. */
  readonly ops: readonly string[];
  readonly config: object;
  /** The beginning of the digest of the base image's config, its keys sorted. */
  readonly base?: string;
}

interface Case {
  readonly name: string;
  readonly dockerfile: string;
  readonly ignore?: string;
  readonly options: Omit<CompileOptions, "buildArgs" | "labels"> & Partial<Record<"buildArgs" | "labels", object>>;
  readonly results: readonly Compiled[];
}

const folder = new URL("../../testing/fixtures/llb/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), "utf8");
/** Image configs by reference, `*` for all others; `$OS` and `$ARCH` stand for what was asked for. */
const { images, cases } = JSON.parse(read("compiled.json")) as { images: Record<string, object>; cases: Case[] };

const host: CompileHost = {
  resolveImage: ({ reference, platform }) => {
    const config = images[reference] ?? images["*"];
    if (config === undefined) throw new VarveError("not-found", reference);
    const text = JSON.stringify(config).replaceAll("$OS", platform.os).replaceAll("$ARCH", platform.architecture);
    return Promise.resolve({ digest: digestOf(reference), config: Buffer.from(text) });
  },
};

/** A metadata entry as Go marshals it, but for the id of a progress group, which is random. */
function metadataDigest({ metadata }: Definition, vertex: ReturnType<typeof digestOf>): string {
  const own = metadata.get(vertex);
  assert.ok(own);
  const { progressGroup: group } = own;
  const plain = group === undefined ? own : { ...own, progressGroup: { ...group, id: "" } };
  return digestOf(encodeDefinition({ ops: [], metadata: new Map([[vertex, plain]]) }));
}

function short(digest: string): string {
  return digest.slice("sha256:".length, 27);
}

function opsOf(definition: Definition): string[] {
  return definition.ops.map((bytes) => {
    const digest = digestOf(bytes);
    return [digest, metadataDigest(definition, digest)].map(short).join(" ");
  });
}

/** As JSON; Go leaves an empty history out. */
function plain(image: ImageDraft): JsonValue & object {
  const { history, ...rest } = JSON.parse(JSON.stringify(image)) as Record<string, JsonValue> & {
    history: JsonValue[];
  };
  return history.length === 0 ? rest : { ...rest, history };
}

async function compile({ dockerfile, ignore = "", options, results }: Case, platform?: string): Promise<Compiled> {
  const compiled = await compileDockerfile(
    parseDockerfile(read(`dockerfiles/${dockerfile}`)),
    {
      ...options,
      buildArgs: new Map(Object.entries(options.buildArgs ?? {}) as [string, string][]),
      labels: new Map(Object.entries(options.labels ?? {}) as [string, string][]),
      buildPlatform: parsePlatform("linux/amd64"),
      multiPlatform: results.length > 1,
      sessionId: "session",
      context: { kind: "local", exclude: parseIgnoreFile(ignore) },
      ...(platform === undefined ? {} : { targetPlatform: parsePlatform(platform) }),
    },
    host,
  );
  return {
    ...(platform === undefined ? {} : { platform }),
    ops: opsOf(definitionOf(compiled.edge)),
    config: plain(compiled.image),
    ...(compiled.baseImage === undefined ? {} : { base: short(digestOf(goJson(sortKeys(plain(compiled.baseImage))))) }),
  };
}

test("Dockerfiles are compiled to the ops, the metadata and the configs that BuildKit compiles them to", async (t) => {
  assert.ok(cases.length > 20);
  for (const one of cases)
    await t.test(one.name, async () => {
      for (const expected of one.results) assert.deepEqual(await compile(one, expected.platform), expected);
    });
});
