import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { type OpenPgpRequest, verifyOpenPgp } from "./openpgp.ts";

function fixture(name: string): Buffer {
  return readFileSync(`testing/fixtures/signatures/${name}`);
}

const DATA = fixture("data.txt");
/** The fixtures are from 1 January 2026. */
const DAY = 86_400_000;
const SIGNED = Date.UTC(2026, 0, 1);

async function* pieces(data: Uint8Array, size = 5): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function verify(
  signature: string,
  keys: string,
  request: Partial<OpenPgpRequest> = {},
  data = DATA,
): Promise<void> {
  const given = { signature: fixture(signature), keys: fixture(keys), now: SIGNED + 10 * DAY, ...request };
  await verifyOpenPgp(given, pieces(data));
}

for (const key of ["rsa", "ed25519", "p256", "p521", "subkey"])
  test(`a signature by an ${key} key verifies, and not of other data`, async () => {
    await verify(`${key}.sig`, `${key}.asc`);
    await verify(`${key}.sig`, `${key}.asc`, { rejectExpired: true });
    const other = Buffer.concat([DATA, Buffer.from("!")]);
    await assert.rejects(
      verify(`${key}.sig`, `${key}.asc`, {}, other),
      /^VarveError: signature by [0-9A-F]{16}: invalid signature$/,
    );
  });

test("a signature of text does not depend on how its lines end", async () => {
  await verify("text.sig", "ed25519.asc");
  await verify("text.sig", "ed25519.asc", {}, Buffer.from(DATA.toString().replaceAll("\n", "\r\n")));
  await assert.rejects(verify("ed25519.sig", "ed25519.asc", {}, Buffer.from(DATA.toString().replaceAll("\n", "\r\n"))));
});

test("one of several keys must have signed", async () => {
  const keys = Buffer.concat([fixture("weak.asc"), fixture("rsa.asc"), Buffer.from("\n"), fixture("p256.asc")]);
  await verify("rsa.sig", "rsa.asc", { keys });
  await verify("p256.sig", "p256.asc", { keys });
  await assert.rejects(verify("ed25519.sig", "rsa.asc", { keys }), /signature made by unknown entity/);
});

test("a signature outlives its key, unless expired keys are rejected", async () => {
  await verify("expired.sig", "expired.asc");
  await assert.rejects(verify("expired.sig", "expired.asc", { rejectExpired: true }), /key expired at 2026-01-02/);
  await verify("expired.sig", "expired.asc", { rejectExpired: true, now: SIGNED + DAY / 2 });
});

test("revoked and short keys, weak hashes and signatures of the future are rejected", async () => {
  await assert.rejects(verify("revoked.sig", "revoked.asc"), /^VarveError: key revoked/);
  await assert.rejects(verify("weak.sig", "weak.asc"), /unknown entity/);
  await assert.rejects(verify("sha1.sig", "rsa.asc"), /rejecting weak\/unknown hash/);
  await assert.rejects(verify("future.sig", "rsa.asc"), /signature creation time is in the future: 2040/);
});

test("what is no signature, or no key, is said in BuildKit's words", async () => {
  await assert.rejects(verify("data.txt", "rsa.asc"), /failed to decode armored signature/);
  await assert.rejects(verify("rsa.asc", "rsa.asc"), /failed to decode armored signature/);
  await assert.rejects(verify("rsa.sig", "data.txt"), /failed to read armored public key: no armored data found/);
  await assert.rejects(verify("rsa.sig", "rsa.sig"), /expected public or private key block, got: PGP SIGNATURE/);
});

const NAMES = ["rsa", "ed25519", "p256", "subkey"] as const;

/** Changes bytes of the base64 in an armored text, or cuts it. */
function damaged(name: string, at: number, byte: number, cut: boolean): Buffer {
  const text = fixture(name).toString();
  const [head = "", body = "", tail = ""] = text.split(/\n\n|\n(?==|-----END)/);
  const bytes = Buffer.from(body.replaceAll("\n", ""), "base64");
  const index = at % bytes.length;
  bytes[index] = (bytes[index] ?? 0) ^ byte;
  const end = text.slice(text.lastIndexOf("-----END"));
  assert.ok(tail !== "");
  return Buffer.from(`${head}\n\n${(cut ? bytes.subarray(0, index) : bytes).toString("base64")}\n${end}`);
}

test("damaged signatures and keys never verify other data, and never crash", async () => {
  const place = fc.record({ at: fc.nat(4000), byte: fc.integer({ min: 1, max: 255 }), cut: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...NAMES), place, fc.boolean(), async (name, { at, byte, cut }, ofKey) => {
      const change: Partial<OpenPgpRequest> = ofKey
        ? { keys: damaged(`${name}.asc`, at, byte, cut) }
        : { signature: damaged(`${name}.sig`, at, byte, cut) };
      // Parts of both that nothing covers may differ; other data must not pass.
      await verify(`${name}.sig`, `${name}.asc`, change).catch((error: unknown) => {
        assert.ok(isVarveError(error, "corrupt"), String(error));
      });
      await assert.rejects(verify(`${name}.sig`, `${name}.asc`, change, Buffer.from("other")), (error) =>
        isVarveError(error, "corrupt"),
      );
    }),
    { numRuns: 300 },
  );
});

test("arbitrary packets are read or rejected", async () => {
  const packet = fc
    .tuple(fc.constantFrom(0xc2, 0xc6, 0xcd, 0xce, 0x88, 0x99, 0x8f), fc.uint8Array({ maxLength: 80 }))
    .map(([tag, body]) => Buffer.from([tag, body.length, ...body]));
  const armored =
    (type: string) =>
    (bytes: readonly Uint8Array[]): Buffer =>
      Buffer.from(`-----BEGIN ${type}-----\n\n${Buffer.concat(bytes).toString("base64")}\n-----END ${type}-----\n`);
  await fc.assert(
    fc.asyncProperty(fc.array(packet, { maxLength: 8 }), async (packets) => {
      const keys = armored("PGP PUBLIC KEY BLOCK")(packets);
      const signature = armored("PGP SIGNATURE")(packets);
      for (const change of [{ keys }, { signature }])
        await assert.rejects(verify("rsa.sig", "rsa.asc", change), (error) => isVarveError(error, "corrupt"));
    }),
  );
});
