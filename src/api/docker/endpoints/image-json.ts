import type { Store } from "../../../engine/index.ts";
import type { HistoryRow } from "../../../images/index.ts";
import { type Descriptor, Limits, familiarReference, parseReference } from "../../../core/index.ts";
import { collect } from "../../../io/index.ts";
import { type ApiImage, repoDigests, repoTags, sizeOf, taggedAt } from "../images/api-image.ts";
import { unixSeconds } from "../time.ts";
import { isAtLeast } from "../version.ts";

type Json = Readonly<Record<string, unknown>>;

/** Fields that a config has in API versions before 1.50, even if the image does not set them. */
const ALWAYS_BEFORE_1_50: Json = {
  Hostname: "",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: "",
  Volumes: null,
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};
/** Fields that a config has from version 1.50 on, even if the image does not set them. */
const ALWAYS: Json = {
  User: "",
  Env: null,
  Cmd: null,
  Volumes: null,
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};
/** Fields of containers, which configs do not have from version 1.50 on. */
const OF_CONTAINERS = new Set(
  Object.keys(ALWAYS_BEFORE_1_50)
    .filter((key) => !(key in ALWAYS))
    .concat("NetworkDisabled", "MacAddress", "StopTimeout"),
);

/** The document of a config, whose bytes were validated when the image was opened. */
async function configDocument({ id }: ApiImage, { content }: Store): Promise<Json> {
  const bytes = await collect(content.open(id), Limits.config, { what: `config ${id}` });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the document was validated when the image was opened
  return JSON.parse(bytes.toString("utf8")) as Json;
}

/** Returns the container config that the image was committed with; empty for an image that was not built here. */
function containerConfigJson({ containerConfig = {} }: ApiImage): Json {
  const { unknown: _unknown, Labels, ExposedPorts, Volumes, ...plain } = containerConfig;
  const keys = (set: ReadonlySet<string>): Json => Object.fromEntries([...set].map((key) => [key, {}]));
  return {
    ...ALWAYS_BEFORE_1_50,
    ...plain,
    ...(Labels === undefined ? {} : { Labels: Object.fromEntries(Labels) }),
    ...(ExposedPorts === undefined ? {} : { ExposedPorts: keys(ExposedPorts) }),
    ...(Volumes === undefined ? {} : { Volumes: keys(Volumes) }),
  };
}

function configJson(document: Json, version: string): Json {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the document was validated when the image was opened
  const own = (document["config"] ?? {}) as Json;
  if (!isAtLeast(version, "1.50")) return { ...ALWAYS_BEFORE_1_50, ...own };
  return { ...ALWAYS, ...Object.fromEntries(Object.entries(own).filter(([key]) => !OF_CONTAINERS.has(key))) };
}

function descriptorJson({ mediaType, digest, size }: Descriptor): Json {
  return { mediaType, digest, size };
}

/** Returns the response body of `GET /images/{name}/json`. */
export async function inspectJson(found: ApiImage, store: Store, version: string): Promise<Json> {
  const document = await configDocument(found, store);
  const { config, layers } = found;
  const size = sizeOf(found);
  const tagged = taggedAt(found, store);
  return {
    Id: found.id,
    RepoTags: repoTags(found),
    RepoDigests: repoDigests(found, store),
    Parent: found.parent ?? "",
    Comment: typeof document["comment"] === "string" ? document["comment"] : (config.history.at(-1)?.comment ?? ""),
    Created: config.created ?? "",
    ...(isAtLeast(version, "1.45") ? {} : { Container: "", ContainerConfig: containerConfigJson(found) }),
    DockerVersion: typeof document["docker_version"] === "string" ? document["docker_version"] : "",
    Author: config.author ?? "",
    Config: configJson(document, version),
    Architecture: config.architecture,
    ...(config.variant === undefined || config.variant === "" ? {} : { Variant: config.variant }),
    Os: config.os,
    ...(config["os.version"] === undefined ? {} : { OsVersion: config["os.version"] }),
    Size: size,
    ...(isAtLeast(version, "1.44") ? {} : { VirtualSize: size }),
    GraphDriver: { Name: "varve", Data: null },
    RootFS: {
      Type: "layers",
      ...(layers.length === 0 ? {} : { Layers: layers.map(({ diffId }) => diffId) }),
    },
    Metadata: { LastTagTime: tagged === undefined ? "0001-01-01T00:00:00Z" : new Date(tagged).toISOString() },
    ...(isAtLeast(version, "1.48") ? { Descriptor: descriptorJson(found.target) } : {}),
  };
}

/** Returns one item of `GET /images/json`. */
export function listJson(found: ApiImage, store: Store, version: string): Json {
  const size = sizeOf(found);
  const [tags, digests] = [repoTags(found), repoDigests(found, store)];
  const nameless = tags.length === 0 && digests.length === 0 && !isAtLeast(version, "1.43");
  const labels = found.config.config?.Labels;
  return {
    Containers: isAtLeast(version, "1.51") ? 0 : -1,
    Created: unixSeconds(found.config.created),
    Id: found.id,
    Labels: labels === undefined || labels.size === 0 ? null : Object.fromEntries(labels),
    ParentId: found.parent ?? "",
    ...(isAtLeast(version, "1.48") ? { Descriptor: descriptorJson(found.target) } : {}),
    RepoDigests: nameless ? ["<none>@<none>"] : digests,
    RepoTags: nameless ? ["<none>:<none>"] : tags,
    SharedSize: -1,
    Size: size,
    ...(isAtLeast(version, "1.44") ? {} : { VirtualSize: size }),
  };
}

/** Returns one row of `GET /images/{name}/history`. An entry whose image is not in the store has the ID `<missing>`. */
export function historyJson({ id, names, entry, size }: HistoryRow): Json {
  return {
    Id: id ?? "<missing>",
    Created: unixSeconds(entry.created),
    CreatedBy: entry.created_by ?? "",
    Tags: names.length === 0 ? null : names.map((name) => familiarReference(parseReference(name))),
    Size: size,
    Comment: entry.comment ?? "",
  };
}
