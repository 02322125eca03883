/** A small program for an entry point of the package, and what it prints. */
interface Program {
  readonly text: string;
  readonly prints: RegExp;
}

/** The name of the program for an entry point as package.json names it, such as `./llb`. */
export function programName(entryPoint: string): string {
  return entryPoint === "." ? "varve" : `varve-${entryPoint.slice(2)}`;
}

/** Programs that import one entry point each and nothing else of the package, by `programName`. They run in an empty folder. */
export const PROGRAMS: Readonly<Record<string, Program>> = {
  varve: {
    prints:
      /^built app:1: \[1\/1\] COPY hello \/ run, then hit\nloaded docker\.io\/library\/app:1\ninvalid-build at line 1\n$/,
    text: `
import { mkdirSync, createReadStream, writeFileSync } from "node:fs";
import { type BuildOptions, type BuildResult, type Store, build, isVarveError, listImages, loadImages, openStore, removeImage, saveImagesTo } from "varve";

mkdirSync("context");
writeFileSync("context/Dockerfile", "FROM scratch\\nCOPY hello /\\n");
writeFileSync("context/hello", "hello");
await using store: Store = await openStore({ root: "store" });
const options: BuildOptions = { store, context: { kind: "directory", path: "context" }, tags: ["app:1"] };
const first: BuildResult = await build(options);
const again = await build(options);
const copy = ({ steps }: BuildResult) => steps.find(({ name }) => name.includes("COPY"));
console.log(\`built app:1: \${copy(first)?.name} \${copy(first)?.status}, then \${copy(again)?.status}\`);
await saveImagesTo("app.tar", store, ["app:1"]);
await removeImage(store, "app:1");
await loadImages(store, createReadStream("app.tar"));
for (const { name } of await listImages(store)) console.log("loaded", name);
try {
  await build({ ...options, dockerfile: { kind: "text", text: "NO SUCH" } });
} catch (error) {
  if (!isVarveError(error, "invalid-build")) throw error;
  console.log(error.code, "at line", error.details.location?.line);
}
`,
  },
  "varve-registry": {
    prints: /^1,2\nnot-found\n$/,
    text: `
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Registry, type RegistryOptions, isVarveError, parseReference } from "varve/registry";

const server = createServer(({ url }, response) => {
  response.statusCode = url?.startsWith("/v2/app/tags/list") ? 200 : 404;
  response.setHeader("content-type", "application/json").end('{ "name": "app", "tags": ["1", "2"] }');
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const host = \`127.0.0.1:\${(server.address() as AddressInfo).port}\`;
const options: RegistryOptions = { config: { registries: { [host]: { http: true } } } };
{
  using registry = new Registry(options);
  console.log(String(await registry.tags(parseReference(\`\${host}/app\`))));
  await registry.resolve(parseReference(\`\${host}/app:3\`)).catch((error: unknown) => {
    if (!isVarveError(error)) throw error;
    console.log(error.code);
  });
}
server.close();
`,
  },
  "varve-layer": {
    prints: /^gzip sha256:[0-9a-f]{64}\ncontent\nthread varve-layer\n$/,
    text: `
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { type TarInput, applyLayer, createLayer, writeTar } from "varve/layer";

const files: TarInput[] = [{ path: "file", body: "content" }];
const layer = createLayer(writeTar(files), { compression: "gzip" });
const chunks: Uint8Array[] = [];
for await (const chunk of layer.bytes) chunks.push(chunk);
console.log("gzip", (await layer.result).diffId);
mkdirSync("tree");
await applyLayer(writeTar(files), "tree", { format: "plain", chown: false });
console.log(readFileSync("tree/file", "utf8"));
const threads = readdirSync("/proc/self/task").map((task) => readFileSync(\`/proc/self/task/\${task}/comm\`, "utf8").trim());
console.log("thread", threads.find((name) => name === "varve-layer"));
`,
  },
  "varve-content": {
    prints: /^6 sha256:[0-9a-f]{64}\na blob\n$/,
    text: `
import { type BlobInfo, type Digest, openContentStore } from "varve/content";

using content = openContentStore("content");
await using lease = await content.lease();
const blob: BlobInfo = await content.put(new TextEncoder().encode("a blob"), { lease });
const digest: Digest = blob.digest;
console.log(blob.size, digest);
const bytes = await Array.fromAsync(content.open(digest));
console.log(Buffer.concat(bytes).toString());
`,
  },
  "varve-dockerfile": {
    prints: /^build COPY,RUN\nStageNameCasing 1\ninvalid-build\n$/,
    text: `
import { type Dockerfile, type LintWarning, isVarveError, parseDockerfile } from "varve/dockerfile";

const warnings: LintWarning[] = [];
const file: Dockerfile = parseDockerfile("FROM alpine AS Build\\nCOPY . /src\\nRUN make -C /src\\n", { warnings });
for (const { name, instructions } of file.stages) console.log(name, String(instructions.map(({ keyword }) => keyword)));
for (const { rule, range } of warnings) console.log(rule, range.start.line);
try {
  parseDockerfile("FROM");
} catch (error) {
  if (!isVarveError(error)) throw error;
  console.log(error.code);
}
`,
  },
  "varve-cache": {
    prints: /^local 0\n0\nnot-found|remote\n$/,
    text: `
import { type CacheListing, type CacheSpec, type Store, isVarveError, listCache, listRemoteCache, openStore, prune } from "varve/cache";

await using store: Store = await openStore({ root: "store-of-cache" });
const { name, entries }: CacheListing = await listCache(store);
console.log(name, entries.length);
console.log((await prune(store)).records.length);
const from: CacheSpec = { type: "local", attrs: { src: "no-such-cache" } };
await listRemoteCache(store, from).catch((error: unknown) => {
  if (!isVarveError(error)) throw error;
  console.log(error.code);
});
`,
  },
  "varve-llb": {
    prints: /^exec,source\nsource docker-image:\/\/docker\.io\/library\/alpine:3\.22\n$/,
    text: `
import { type Definition, decodeDefinition, definitionOf, encodeDefinition, graphOf, image, walkVertices } from "varve/llb";

const state = image("docker.io/library/alpine:3.22").run({ args: ["make"], cwd: "/src" }).root;
const bytes = encodeDefinition(definitionOf(state.edge));
const definition: Definition = decodeDefinition(bytes);
const edge = graphOf(definition);
if (edge === undefined) throw new Error("empty");
const ops = walkVertices([edge.vertex]).map(({ op }) => op);
console.log(String(ops.map(({ kind }) => kind).sort()));
for (const op of ops) if (op.kind === "source") console.log(op.kind, op.identifier);
`,
  },
};
