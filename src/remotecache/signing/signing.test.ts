import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { chainExport, toyHold, toySource } from "../../../testing/toy-exports.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { digestOf } from "../../core/index.ts";
import { decodeContents, encodeContents, formOf } from "../export/codec.ts";
import { type CacheContents, contentsOf } from "../export/scopes.ts";
import {
  layoutOrigin,
  layoutTarget,
  parseCacheExport,
  pruneLayoutTarget,
  readCache,
  signerOf,
  trustOf,
} from "../index.ts";
import { type DocumentSigner, distrust } from "./trust.ts";

const pair = (type: "ed25519" | "ed448" = "ed25519") => {
  const { privateKey, publicKey } = generateKeyPairSync(type as "ed25519");
  return {
    secret: privateKey.export({ format: "pem", type: "pkcs8" }),
    open: publicKey.export({ format: "pem", type: "spki" }),
    secretDer: privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
    openDer: publicKey.export({ format: "der", type: "spki" }).toString("base64"),
  };
};
const mine = pair();
const other = pair();
const here = { machine: true };
const signer = async (sign = mine.secret, scope = ""): Promise<DocumentSigner> =>
  (await signerOf({ type: "local", attrs: { sign, scope } }, here)) ?? assert.fail();
const trust = async (verify = mine.open, scope = "") =>
  (await trustOf({ type: "local", attrs: { verify, scope } }, here)) ?? assert.fail();
const contents = (...steps: string[]): CacheContents => {
  const { graph, tops } = chainExport("base", steps);
  return contentsOf(graph, tops, "a");
};

suite("keys", () => {
  test("come from files, variables and attributes, in PEM and in DER", async () => {
    await using directory = await temporaryDirectory("varve-keys-");
    const path = (name: string): string => join(directory.path, name);
    await writeFile(path("key"), mine.secret);
    await writeFile(path("pub"), `${other.open}\n${mine.open}`);
    const env = { PEM: mine.secret, DER: mine.secretDer, PUB: mine.openDer };
    const message = Buffer.from("message");
    const signed = new Set<string>();
    for (const sign of [path("key"), "env:PEM", "env:DER", mine.secret, `base64:${mine.secretDer}`])
      signed.add((await signerOf({ type: "s3", attrs: { sign } }, { ...here, env }))?.sign(message) ?? "");
    assert.equal(signed.size, 1);
    const found = [path("pub"), "env:PUB", "env:PEM", mine.open, `base64:${mine.openDer}`];
    for (const verify of found)
      assert.ok((await trustOf({ type: "s3", attrs: { verify } }, { ...here, env }))?.keys.length);
    assert.equal(await trustOf({ type: "gha", attrs: { scope: "x" } }, here), undefined);
    const gha = { type: "gha", attrs: { verify: mine.open, scope: "x" } };
    assert.equal((await trustOf(gha, here))?.scope, "", "its scope is the name of the document");
    assert.equal(await signerOf({ type: "gha", attrs: { scope: "x" } }, here), undefined);
  });

  for (const [what, attribute, key, message, machine = true] of [
    ["an empty one", "verify", "", /verify of a cache: it is empty/],
    ["an empty one", "sign", "", /sign of a cache: it is empty/],
    ["a variable that is not set", "sign", "env:VARVE_NO_SUCH", /VARVE_NO_SUCH is not set/],
    ["a file that is not there", "verify", "/no/such", /\/no\/such cannot be read/],
    ["a device", "verify", "/dev/zero", /not a regular file/],
    ["a file of another kind", "sign", "/etc/passwd", /not a private Ed25519 key/],
    ["a public key", "sign", mine.open, /not a private Ed25519 key/],
    ["another algorithm", "sign", pair("ed448").secret, /not a private Ed25519 key/],
    ["another algorithm", "verify", pair("ed448").open, /not a public Ed25519 key/],
    ["no key", "verify", "base64:AAAA", /not a public Ed25519 key/],
    ["a file of the server", "sign", "/etc/passwd", /a client gives the key itself/, false],
    ["a variable of the server", "verify", "env:HOME", /a client gives the key itself/, false],
  ] as const)
    test(`${what} is refused for ${attribute}: ${key.slice(0, 20).replaceAll("\n", " ")}`, async () => {
      const read = attribute === "sign" ? signerOf : trustOf;
      await assert.rejects(read({ type: "local", attrs: { [attribute]: key } }, { machine }), {
        code: "invalid-argument",
        message,
      });
    });
});

suite("signed documents", () => {
  for (const form of ["manifest", "oci-index", "docker-list", "annotated"] as const)
    test(`${form}: are trusted as they are, and not with any change`, async () => {
      const { config, manifest } = encodeContents(contents("one", "two"), form, { signer: await signer() });
      const read = async (change: (json: string) => string) => {
        const bytes = Buffer.from(change(Buffer.from(manifest.bytes).toString()));
        const type = manifest.descriptor.mediaType;
        const decoded = await decodeContents({ bytes, type }, () =>
          Promise.resolve(Buffer.from(change(Buffer.from(config.bytes).toString()))),
        );
        return decoded?.evidence ?? assert.fail();
      };
      const same = await read((json) => json);
      assert.equal(distrust(same, await trust()), undefined);
      assert.match(distrust(same, await trust(other.open)) ?? "", /not by the given key/);
      assert.match(distrust(same, await trust(mine.open, "main")) ?? "", /signed for no scope, not for "main"/);
      const wrong = digestOf("another");
      let changes = 0;
      for (const [from, to] of [
        [/"digest":"sha256:[0-9a-f]{64}"(?!.*"digest")/, `"digest":"${wrong}"`],
        [/"createdAt":"1970-01-01T00:00:01Z"/, '"createdAt":"1970-01-01T00:00:03Z"'],
        [/("containerd.io\/uncompressed":|"diffID":)"sha256:[0-9a-f]{64}"/, `$1"${wrong}"`],
        [/"size":(\d+)(?=[^{]*(?:uncompressed|diffID)|,"createdAt|,"annotations)/, '"size":9$1'],
        [/"mediaType":"([^"]*tar[^"]*)gzip"/, '"mediaType":"$1zstd"'],
        [
          /"containerd.io\/uncompressed":/,
          '"containerd.io/snapshot/stargz/toc.digest":"x","containerd.io/uncompressed":',
        ],
        [/"scope":""/, '"scope":"main"'],
        [/"tops":\[\d+\]/, '"tops":[1]'],
      ] as const) {
        if (!from.test(`${Buffer.from(manifest.bytes).toString()}${Buffer.from(config.bytes).toString()}`)) continue;
        const changed = await read((json) => json.replace(from, to)).catch(() => undefined);
        if (changed !== undefined) assert.ok(distrust(changed, await trust()), `${from} was not noticed`);
        changes += 1;
      }
      assert.ok(changes >= (form === "annotated" ? 6 : 8), `${changes} changes`);
      const unsigned = await read((json) => json.replace(/,?"signature":\{[^}]*\}/, ""));
      assert.equal(distrust(unsigned, await trust()), "it is not signed");
      assert.equal(formOf(manifest.descriptor.mediaType), form);
    });

  test("say for which scope: a pull request's is not used unless it is named", async () => {
    const { manifest } = encodeContents(contents("one"), "annotated", { signer: await signer(mine.secret, "pr-1") });
    const { evidence } =
      (await decodeContents({ bytes: manifest.bytes, type: manifest.descriptor.mediaType }, () => assert.fail())) ?? {};
    assert.ok(evidence);
    assert.match(
      distrust(evidence, await trust()) ?? "",
      /signed for the scope "pr-1", which is not the one asked for/,
    );
    assert.equal(distrust(evidence, await trust(mine.open, "pr-1")), undefined);
  });
});

suite("writers that sign", () => {
  const write = async (directory: string, step: string, own?: DocumentSigner, reset = false): Promise<string[]> => {
    const warnings: string[] = [];
    const { source } = toySource();
    const warn = (message: string): void => void warnings.push(message);
    const options = {
      directory,
      tag: "t",
      form: "manifest",
      source,
      reset,
      grace: undefined,
      warn,
      signer: own,
    } as const;
    await layoutTarget(options).write(chainExport("base", [step]), step, toyHold);
    return warnings;
  };
  const steps = async (directory: string, verify?: Awaited<ReturnType<typeof trust>>): Promise<number> => {
    const [graph] = await readCache(layoutOrigin(directory, { tag: "t" }), { trust: verify });
    return (graph?.size ?? 0) - 1;
  };

  test("merge what they have signed, replace what they have not, and are not overwritten by others", async () => {
    await using directory = await temporaryDirectory("varve-signed-");
    const at = directory.path;
    await write(at, "unsigned");
    assert.match((await write(at, "one", await signer())).join(), /is replaced: it is not signed/);
    assert.deepEqual(await write(at, "two", await signer()), []);
    assert.equal(await steps(at, await trust()), 2);
    await assert.rejects(write(at, "x"), /it is signed: give the key \(sign=KEY\), or replace it \(reset=true\)/);
    await assert.rejects(
      write(at, "x", await signer(mine.secret, "pr-1")),
      /signed for the scope "", and a document has one: "pr-1" needs another place/,
    );
    await assert.rejects(steps(at, await trust(other.open)), { code: "corrupt", message: /not by the given key/ });
    await assert.rejects(pruneLayoutTarget(at), /it is signed, which needs its key/);
    await pruneLayoutTarget(at, { scopes: ["one"], signer: await signer() });
    assert.equal(await steps(at, await trust()), 1);
    assert.match(
      (await write(at, "three", await signer(other.secret))).join(),
      /is replaced: its signature is not by the given key/,
    );
    assert.equal(await steps(at, await trust(other.open)), 1);
    assert.deepEqual(await write(at, "four", undefined, true), []);
    await assert.rejects(steps(at, await trust()), /it is not signed/);
    assert.equal(await steps(at), 1);
  });

  test("images have none", () => {
    assert.throws(() => parseCacheExport("inline", { sign: "key" }), /is not signed by itself: sign the image/);
  });
});
