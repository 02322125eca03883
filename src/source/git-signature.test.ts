import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import type { GitObjects } from "./git-objects.ts";
import { type GitSigner, splitCommit, splitTag, verifyGitSignature } from "./git-signature.ts";

function fixture(name: string): Buffer {
  return readFileSync(`testing/fixtures/signatures/${name}`);
}

function hashOf(type: string, raw: Uint8Array): string {
  return createHash("sha1").update(`${type} ${raw.length}\0`).update(raw).digest("hex");
}

/** The objects of `commit-<commit>`, and of `tag-<tag>`. */
function objects(commit: string, tag?: string): GitObjects {
  const commitObject = fixture(`commit-${commit}`);
  const checksum = hashOf("commit", commitObject);
  if (tag === undefined) return { ref: "main", checksum, commitObject };
  const tagObject = fixture(`tag-${tag}`);
  return { ref: "v1", checksum: hashOf("tag", tagObject), commitChecksum: checksum, commitObject, tagObject };
}

const PGP = "ed25519.asc";
const SSH = "ssh-ed25519.pub";

async function verify(given: GitObjects, keys: string, signer: Partial<GitSigner> = {}): Promise<void> {
  const defaults = { rejectExpired: false, requireSignedTag: false, ignoreSignedTag: false };
  await verifyGitSignature(given, { keys: fixture(keys), ...defaults, ...signer });
}

test("commits and tags that are signed with OpenPGP and SSH verify", async () => {
  await verify(objects("pgp"), PGP);
  await verify(objects("ssh"), SSH);
  await verify(objects("plain", "pgp"), PGP, { requireSignedTag: true });
  await verify(objects("plain", "ssh"), SSH, { rejectExpired: true });
});

test("another key, or none of its kind, does not verify", async () => {
  await assert.rejects(verify(objects("pgp"), "rsa.asc"), /signature made by unknown entity/);
  await assert.rejects(verify(objects("ssh"), "ssh-rsa.pub"), /failed to verify ssh signature/);
  await assert.rejects(verify(objects("ssh"), PGP), /failed to parse ssh public key/);
  await assert.rejects(verify(objects("pgp"), SSH), /failed to read armored public key: no armored data found/);
});

test("the commit counts if the tag is not signed, unless the tag must be", async () => {
  await verify(objects("pgp", "plain"), PGP);
  await verify(objects("pgp", "ssh"), PGP);
  await verify(objects("pgp", "ssh"), PGP, { ignoreSignedTag: true });
  await assert.rejects(verify(objects("plain"), PGP), /^VarveError: git object is not signed$/);
  await assert.rejects(verify(objects("plain", "pgp"), PGP, { ignoreSignedTag: true }), /git object is not signed/);
  await assert.rejects(verify(objects("pgp", "plain"), PGP, { requireSignedTag: true }), /git object is not signed/);
  const both = { requireSignedTag: true, ignoreSignedTag: true };
  for (const [given, signer] of [
    [objects("pgp"), { requireSignedTag: true }],
    [objects("pgp", "pgp"), both],
  ] as const)
    await assert.rejects(verify(given, PGP, signer), /signed tag required but no signed tag found/);
});

test("an object that is not the one with the hash is not looked at", async () => {
  const { checksum } = objects("plain");
  await assert.rejects(
    verify({ ...objects("pgp"), checksum }, PGP),
    /commit object checksum verification failed: checksum mismatch: expected [0-9a-f]{40}, got [0-9a-f]{40}/,
  );
  const tagged = objects("plain", "pgp");
  await assert.rejects(verify({ ...tagged, checksum }, PGP, { requireSignedTag: true }), /tag object checksum/);
});

test("the signature of a merged tag is not that of the commit", () => {
  const header = "mergetag object 1\n -----BEGIN PGP SIGNATURE-----\n  x\n -----END PGP SIGNATURE-----\n";
  const raw = fixture("commit-pgp").toString("latin1").replace("gpgsig ", `${header}gpgsig `);
  const { signature, data } = splitCommit(Buffer.from(raw, "latin1"));
  assert.match(signature, /^-----BEGIN PGP SIGNATURE-----\n\niI/);
  assert.ok(Buffer.from(data).toString("latin1").includes(header));
});

test("a signature of an unknown format", async () => {
  const commitObject = Buffer.from("tree x\nauthor a\ncommitter c\ngpgsig x\n\nmessage\n");
  const given = { ref: "main", checksum: hashOf("commit", commitObject), commitObject };
  await assert.rejects(verify(given, PGP), /^VarveError: invalid signature format$/);
});

test("no byte of an object is lost by splitting it, and arbitrary objects do not crash", async () => {
  const line = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      "",
      " ",
      "gpgsig x",
      "gpgsig-sha256 -----BEGIN SSH SIGNATURE-----",
      "-----BEGIN PGP SIGNATURE-----",
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line), async (lines) => {
      const raw = Buffer.from(lines.join("\n"));
      const tag = splitTag(raw);
      assert.equal(Buffer.concat([tag.data, Buffer.from(tag.signature, "latin1")]).compare(raw), 0);
      const commit = splitCommit(raw);
      assert.ok(commit.signature.length + commit.data.length <= raw.length);
      const given = { ref: "main", checksum: hashOf("commit", raw), commitObject: raw };
      await assert.rejects(verify(given, PGP), (error) => isVarveError(error, "corrupt"));
    }),
  );
});
