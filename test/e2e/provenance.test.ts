import assert from "node:assert/strict";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readCgroupLayout } from "../../src/exec/cgroup/layout.ts";
import { sh, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

interface Index {
  readonly manifests: readonly {
    readonly digest: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly platform: { readonly os: string; readonly architecture: string };
  }[];
}
interface Manifest {
  readonly artifactType?: string;
  readonly subject?: { readonly digest: string };
  readonly layers: readonly { readonly digest: string; readonly annotations: Readonly<Record<string, string>> }[];
}
interface Statement {
  readonly predicateType: string;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicate: Predicate;
}
interface Step {
  readonly id: string;
  readonly resourceUsage?: {
    readonly samples: readonly { readonly cpuStat: { readonly usageNanos: number } }[];
    readonly sysCPUStat: { readonly user: number };
  };
}
interface Predicate {
  readonly buildDefinition: {
    readonly resolvedDependencies?: readonly { readonly uri: string; readonly digest: { readonly sha256: string } }[];
    readonly externalParameters: { readonly request: Readonly<Record<string, unknown>> };
    readonly internalParameters: { readonly buildConfig?: { readonly llbDefinition: readonly Step[] } };
  };
  readonly runDetails: {
    readonly metadata: {
      readonly invocationId: string;
      readonly startedOn: string;
      readonly buildkit_metadata: {
        readonly layers?: Readonly<Record<string, object>>;
        readonly source?: object;
        readonly sysUsage?: readonly { readonly cpuStat: { readonly user: number } }[];
      };
      readonly buildkit_completeness: { readonly request: boolean };
    };
  };
}

/** Reads a blob of the store that the tests share. */
async function blob<T>(digest: string): Promise<T> {
  const [algorithm = "", hex = ""] = digest.split(":");
  return JSON.parse(await readFile(join(varve.root, "content/blobs", algorithm, hex), "utf8")) as T;
}

/** The statements about each image of an index, by platform. */
async function statements(index: Index): Promise<Map<string, Statement[]>> {
  const found = new Map<string, Statement[]>();
  for (const { digest, annotations = {} } of index.manifests) {
    if (annotations["vnd.docker.reference.type"] !== "attestation-manifest") continue;
    const image = index.manifests.find((each) => each.digest === annotations["vnd.docker.reference.digest"]);
    assert.ok(image !== undefined);
    const manifest = await blob<Manifest>(digest);
    assert.equal(manifest.subject?.digest, image.digest);
    const layers = await Promise.all(manifest.layers.map((layer) => blob<Statement>(layer.digest)));
    found.set(`${image.platform.os}/${image.platform.architecture}`, layers);
  }
  return found;
}

function stepsOf({ predicate }: Statement): readonly Step[] {
  return predicate.buildDefinition.internalParameters.buildConfig?.llbDefinition ?? [];
}

async function build(...args: readonly string[]): Promise<{ digest: string; index: Index; first: Statement }> {
  const { metadata } = await varve.build(args);
  const digest = metadata["containerimage.digest"] as string;
  const index = await blob<Index>(digest);
  const [first] = [...(await statements(index)).values()].flat();
  assert.ok(first !== undefined);
  return { digest, index, first };
}

const dockerfile = `FROM ${base}\nARG V=1\nCOPY f /f\nRUN echo "$V" > /v\n`;

describe("provenance", { skip }, () => {
  test("is in the index of an image, and says what the image was made from", async () => {
    const folder = await varve.context("image", dockerfile, { f: "image" });
    const made = ["--provenance=mode=max", "--build-arg", "V=2", "-t", "varve.test/image:1"];
    const { index, first } = await build(...made, folder);
    assert.deepEqual(
      index.manifests.map(({ platform }) => platform.architecture !== "unknown"),
      [true, false],
    );
    const { predicate, predicateType, subject } = first;
    assert.equal(predicateType, "https://slsa.dev/provenance/v1");
    assert.equal(`sha256:${subject[0]?.digest.sha256}`, index.manifests[0]?.digest);
    assert.match(subject[0]?.name ?? "", /^pkg:docker\/varve\.test\/image@1\?platform=linux%2F/);
    const [material] = predicate.buildDefinition.resolvedDependencies ?? [];
    assert.match(material?.uri ?? "", /^pkg:docker\/varve\.test\/busybox@1\?platform=linux%2F/);
    assert.match(material?.digest.sha256 ?? "", /^[0-9a-f]{64}$/);
    assert.deepEqual(predicate.buildDefinition.externalParameters.request, {
      frontend: "dockerfile.v0",
      args: { "build-arg:V": "2" },
      locals: [{ name: "context" }, { name: "dockerfile" }],
      compatibilityVersion: 30,
    });
    // The base, the context, the copy, the command, and the result.
    assert.equal(predicate.buildDefinition.internalParameters.buildConfig?.llbDefinition.length, 5);
    const { layers = {}, source } = predicate.runDetails.metadata.buildkit_metadata;
    assert.deepEqual(Object.keys(layers), ["step0:0", "step2:0", "step3:0"]);
    assert.ok(source !== undefined);
  });

  test("with mode=min has no build arguments, no graph and no layers", async () => {
    const folder = await varve.context("min", dockerfile, { f: "min" });
    const { first } = await build("--attest", "type=provenance,mode=min", "--build-arg", "V=2", "-t", "min", folder);
    const { buildDefinition, runDetails } = first.predicate;
    assert.equal(buildDefinition.externalParameters.request["args"], undefined);
    assert.equal(buildDefinition.internalParameters.buildConfig, undefined);
    assert.deepEqual(runDetails.metadata.buildkit_metadata, {});
    assert.equal(runDetails.metadata.buildkit_completeness.request, false);
  });

  test("with capture-usage=true says what the machine and each step have used that ran", async () => {
    const folder = await varve.context("usage", dockerfile, { f: "usage" });
    const args = ["--provenance=capture-usage=true", "-t", "usage", folder];
    const { first } = await build(...args);
    const { sysUsage = [] } = first.predicate.runDetails.metadata.buildkit_metadata;
    assert.ok(sysUsage.length > 0 && sysUsage.every(({ cpuStat }) => cpuStat.user > 0));
    // Nobody counts for a step without control groups.
    const isCounted = readCgroupLayout().kind !== "none";
    const measured = stepsOf(first).filter(({ resourceUsage }) => resourceUsage !== undefined);
    assert.deepEqual(
      measured.map(({ id }) => id),
      isCounted ? ["step3"] : [],
    );
    for (const { resourceUsage } of measured) {
      assert.ok((resourceUsage?.samples.at(-1)?.cpuStat.usageNanos ?? 0) > 0);
      assert.ok((resourceUsage?.sysCPUStat.user ?? -1) >= 0);
    }
    const again = await build(...args);
    assert.ok(stepsOf(again.first).every(({ resourceUsage }) => resourceUsage === undefined));
  });

  test("of a cached build names the run that made the result, so that the digest stays", async () => {
    const folder = await varve.context("again", dockerfile, { f: "again" });
    const args = ["--provenance=mode=max", "-t", "varve.test/again", folder];
    const made = await build(...args);
    const again = await build(...args);
    assert.equal(again.digest, made.digest);
    const anew = await build("--no-cache", ...args);
    const id = ({ first }: typeof made): string => first.predicate.runDetails.metadata.invocationId;
    assert.match(id(made), /^[0-9a-z]{25}$/);
    assert.notEqual(id(anew), id(made));
    const later = await build(...args);
    assert.equal((await build(...args)).digest, later.digest);
  });

  test("says which commit of which repository a context is", async () => {
    const folder = await varve.context("commit", "FROM scratch\nCOPY f /f\n", { f: "commit" });
    const git = (...args: readonly string[]): Promise<string> =>
      sh("git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", ...args);
    await git("init", "--quiet", "--initial-branch=main");
    await git("remote", "add", "origin", "https://user:sesame@example.com/r.git");
    await git("add", ".");
    await git("commit", "--quiet", "--message=first");
    const revision = (await git("rev-parse", "HEAD")).trim();
    const vcs = { "localdir:context": ".", "localdir:dockerfile": ".", revision };
    const { first } = await build("--provenance=mode=min", "-t", "commit", folder);
    assert.deepEqual(first.predicate.runDetails.metadata.buildkit_metadata, {
      vcs: { ...vcs, source: "https://xxxxx:xxxxx@example.com/r.git" },
    });
    await writeFile(join(folder, "f"), "changed");
    const env = { BUILDX_GIT_CHECK_DIRTY: "1", BUILDX_GIT_INFO: "true" };
    const at = join(varve.folder, "commit-out");
    const args = ["build", "--provenance=mode=max", "-o", `type=local,dest=${at}`, folder];
    assert.equal((await varve.run(args, { env })).code, 0);
    const text = await readFile(join(at, "provenance.json"), "utf8");
    assert.match(text, new RegExp(`"revision": "${revision}-dirty"`));
    assert.ok(!text.includes("sesame"));
  });

  test("is made for each platform, after the images", async () => {
    const folder = await varve.context("platforms", "FROM scratch\nCOPY f /f\n", { f: "platforms" });
    const platforms = ["linux/amd64", "linux/arm64"];
    const { index } = await build("--provenance=true", "--platform", platforms.join(), "-t", "platforms", folder);
    const shown = index.manifests.map(({ platform: { os, architecture } }) => `${os}/${architecture}`);
    assert.deepEqual(shown, [...platforms, "unknown/unknown", "unknown/unknown"]);
    assert.deepEqual([...(await statements(index)).keys()], platforms);
  });

  test("is a file in outputs of files", async () => {
    const folder = await varve.context("files", "FROM scratch\nCOPY f /f\n", { f: "files" });
    const at = join(varve.folder, "files-out");
    await varve.build(["--provenance=version=v0.2", "-o", `type=local,dest=${at},attestation-prefix=my-`, folder]);
    assert.deepEqual((await readdir(at)).toSorted(), ["f", "my-provenance.json"]);
    const statement = JSON.parse(await readFile(join(at, "my-provenance.json"), "utf8")) as Statement;
    assert.equal(statement.predicateType, "https://slsa.dev/provenance/v0.2");
    assert.deepEqual(
      statement.subject.map(({ name }) => name),
      ["f"],
    );
  });

  test("can be asked for by a build argument", async () => {
    const folder = await varve.context("argument", dockerfile, { f: "argument" });
    const { first } = await build("--build-arg", "BUILDKIT_ATTEST_PROVENANCE=mode=min", "-t", "argument", folder);
    assert.equal(first.predicateType, "https://slsa.dev/provenance/v1");
  });

  test("is refused where it cannot be written or read", async () => {
    const folder = await varve.context("refused", "FROM scratch\nCOPY f /f\n", { f: "refused" });
    const why = async (...args: readonly string[]): Promise<string> => {
      const { code, stderr } = await varve.run(["build", ...args, folder]);
      assert.notEqual(code, 0);
      return stderr;
    };
    assert.match(await why("--provenance=mode=most"), /invalid mode "most"/);
    assert.match(await why("--provenance=version=v2"), /invalid provenance SLSA version: v2/);
    assert.match(await why("--provenance=complete-materials=true"), /Uncaptured local sources:\n {2}- context/);
    assert.match(await why("--provenance=true", "-o", "type=docker,dest=a.tar"), /use the oci exporter instead/);
    assert.match(
      await why("--provenance=true", "-o", "type=oci,dest=a.tar,oci-mediatypes=false,oci-artifact=false"),
      /cannot export attestations with "oci-mediatypes=false"/,
    );
  });
});
