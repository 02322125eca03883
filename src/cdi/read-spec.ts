import { type JsonNode, VarveError, parseJson, readJsonValue } from "../core/index.ts";
import { isAnnotationKey, isDeviceName, isKind } from "./names.ts";
import { isEmpty, readEdits, text } from "./read-edits.ts";
import type { CdiSpec, CdiSpecDevice } from "./types.ts";
import { versionProblem } from "./versions.ts";

/** Bytes. Specifications of machines with many devices have some hundred kilobytes. */
export const MAX_SPEC: number = 8 * 1024 * 1024;
const MAX_DEVICES = 10_000;
/** Characters of all annotations of one object, as in Kubernetes. */
const MAX_ANNOTATIONS = 256 * 1024;
/** How often an anchor of YAML may be used. */
const MAX_ALIASES = 1000;

/**
 * Reads a file of devices: JSON if its name ends in `.json`, else YAML.
 *
 * @throws {VarveError} `invalid-argument`, or `limit-exceeded`, with the place of what is wrong.
 */
export async function readSpec(path: string, content: Buffer): Promise<CdiSpec> {
  const what = `devices of ${path}`;
  if (content.length > MAX_SPEC)
    throw new VarveError("limit-exceeded", `Cannot read ${what}: larger than ${MAX_SPEC} bytes`);
  const options = { code: "invalid-argument" } as const;
  const document = path.endsWith(".json")
    ? parseJson(content, what, options)
    : readJsonValue(await parseYaml(content.toString("utf8"), what), what, options);
  return specOf(document);
}

/** Loaded when there is a file in YAML. As in BuildKit, it is YAML 1.1: `0666` is octal, and `yes` is true. */
async function parseYaml(yaml: string, what: string): Promise<unknown> {
  const { parse } = await import("yaml");
  try {
    return parse(yaml, { version: "1.1", uniqueKeys: true, maxAliasCount: MAX_ALIASES, logLevel: "error" });
  } catch (error) {
    const [why = ""] = String(error instanceof Error ? error.message : error).split("\n", 1);
    throw new VarveError("invalid-argument", `Cannot read ${what}: ${why}`, { cause: error });
  }
}

function specOf(document: JsonNode): CdiSpec {
  const json = document.requiredObject();
  const version = text(json.field("cdiVersion")) ?? "";
  const kind = text(json.field("kind")) ?? "";
  if (!isKind(kind)) json.field("kind").fail("vendor/class");
  const spec: CdiSpec = {
    kind,
    annotations: readAnnotations(json.field("annotations")),
    devices: json.field("devices").list(readDevice, MAX_DEVICES) ?? [],
    edits: readEdits(json.field("containerEdits")),
  };
  json.rejectUnknown();
  if (spec.devices.length === 0) json.field("devices").fail("a list of devices");
  if (new Set(spec.devices.map(({ name }) => name)).size < spec.devices.length)
    json.field("devices").fail("a list with each name once");
  const problem = versionProblem(version, spec);
  if (problem !== undefined) json.field("cdiVersion").fail(`the version of the file: ${problem}`);
  return spec;
}

function readDevice(node: JsonNode): CdiSpecDevice {
  const json = node.requiredObject();
  const name = text(json.field("name")) ?? "";
  if (!isDeviceName(name)) json.field("name").fail("the name of a device");
  const annotations = readAnnotations(json.field("annotations"));
  const edits = readEdits(json.field("containerEdits"));
  json.rejectUnknown();
  if (isEmpty(edits)) json.field("containerEdits").fail("a change of the container");
  return { name, annotations, edits };
}

function readAnnotations(node: JsonNode): ReadonlyMap<string, string> {
  const annotations = node.map((item) => text(item) ?? "") ?? new Map<string, string>();
  let size = 0;
  for (const [key, value] of annotations) {
    if (!isAnnotationKey(key)) node.fail("an object with the keys of annotations");
    size += key.length + value.length;
  }
  if (size > MAX_ANNOTATIONS) node.fail(`an object of at most ${MAX_ANNOTATIONS} characters`);
  return annotations;
}
