import { type Descriptor, VarveError } from "../../../core/index.ts";
import type { Store } from "../../../build/index.ts";
import { type ApiImage, repoDigests, repoTags, sizeOf } from "../images/catalogue.ts";
import { unixSeconds } from "../time.ts";
import { isAtLeast } from "../version.ts";

type Json = Readonly<Record<string, unknown>>;

/** Fields that are there whatever the image says, by the version before which that is so. */
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
/** Fields of containers: from 1.50 on, an image has none of them. */
const OF_CONTAINERS = new Set(
  Object.keys(ALWAYS_BEFORE_1_50)
    .filter((key) => !(key in ALWAYS))
    .concat("NetworkDisabled", "MacAddress", "StopTimeout"),
);

/** The document of a config, whose bytes were validated when the image was opened. */
function configDocument({ image }: ApiImage): Json {
  const document = JSON.parse(Buffer.from(image.configBytes).toString("utf8")) as Json;
  if (typeof document !== "object" || document === null) throw new VarveError("corrupt", "Cannot read an image config");
  return document;
}

function configJson(document: Json, version: string): Json {
  const own = (document["config"] ?? {}) as Json;
  if (!isAtLeast(version, "1.50")) return { ...ALWAYS_BEFORE_1_50, ...own };
  return { ...ALWAYS, ...Object.fromEntries(Object.entries(own).filter(([key]) => !OF_CONTAINERS.has(key))) };
}

function descriptorJson({ mediaType, digest, size }: Descriptor): Json {
  return { mediaType, digest, size };
}

/** What `GET /images/{name}/json` answers. */
export function inspectJson(found: ApiImage, store: Store, version: string): Json {
  const document = configDocument(found);
  const { config } = found.image;
  const size = sizeOf(found);
  const tagged = Math.max(...found.rows.map(({ updatedAt }) => updatedAt));
  return {
    Id: found.id,
    RepoTags: repoTags(found),
    RepoDigests: repoDigests(found, store),
    Parent: "",
    Comment: typeof document["comment"] === "string" ? document["comment"] : (config.history.at(-1)?.comment ?? ""),
    Created: config.created ?? "",
    ...(isAtLeast(version, "1.45") ? {} : { Container: "", ContainerConfig: { ...ALWAYS_BEFORE_1_50 } }),
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
      ...(found.image.layers.length === 0 ? {} : { Layers: found.image.layers.map(({ diffId }) => diffId) }),
    },
    Metadata: { LastTagTime: new Date(tagged).toISOString() },
    ...(isAtLeast(version, "1.48") ? { Descriptor: descriptorJson(found.target) } : {}),
  };
}

/** One item of `GET /images/json`. */
export function listJson(found: ApiImage, store: Store, version: string): Json {
  const size = sizeOf(found);
  const [tags, digests] = [repoTags(found), repoDigests(found, store)];
  const nameless = tags.length === 0 && digests.length === 0 && !isAtLeast(version, "1.43");
  const labels = found.image.config.config?.Labels;
  return {
    Containers: isAtLeast(version, "1.51") ? 0 : -1,
    Created: unixSeconds(found.image.config.created),
    Id: found.id,
    Labels: labels === undefined || labels.size === 0 ? null : Object.fromEntries(labels),
    ParentId: "",
    ...(isAtLeast(version, "1.48") ? { Descriptor: descriptorJson(found.target) } : {}),
    RepoDigests: nameless ? ["<none>@<none>"] : digests,
    RepoTags: nameless ? ["<none>:<none>"] : tags,
    SharedSize: -1,
    Size: size,
    ...(isAtLeast(version, "1.44") ? {} : { VirtualSize: size }),
  };
}

/** What `GET /images/{name}/history` answers, youngest first. An entry without an image of its own has the id `<missing>`. */
export function historyJson(found: ApiImage): Json[] {
  const { config, layers } = found.image;
  let next = 0;
  const rows = config.history.map((entry, index) => ({
    Id: index === config.history.length - 1 ? found.id : "<missing>",
    Created: unixSeconds(entry.created),
    CreatedBy: entry.created_by ?? "",
    Tags: index === config.history.length - 1 && repoTags(found).length > 0 ? repoTags(found) : null,
    Size: entry.empty_layer === true ? 0 : (layers[next++]?.descriptor.size ?? 0),
    Comment: entry.comment ?? "",
  }));
  return rows.toReversed();
}
