import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { verifySsh } from "./ssh.ts";

function fixture(name: string): Buffer {
  return readFileSync(`testing/fixtures/signatures/${name}`);
}

const DATA = fixture("data.txt");

function verify(signature: string, key: string | Buffer, data: Uint8Array = DATA): void {
  verifySsh(
    { signature: fixture(signature), key: typeof key === "string" ? fixture(key) : key, namespace: "git" },
    data,
  );
}

for (const key of ["ed25519", "rsa", "ecdsa"])
  test(`a signature by an ${key} key verifies, and not of other data`, () => {
    verify(`ssh-${key}.sig`, `ssh-${key}.pub`);
    assert.throws(() => verify(`ssh-${key}.sig`, `ssh-${key}.pub`, Buffer.from("other")), {
      message: "failed to verify ssh signature",
    });
  });

test("a signature is for one purpose and by one key", () => {
  assert.throws(() => verify("ssh-file.sig", "ssh-ed25519.pub"), {
    message: 'unexpected SSH signature namespace: "file"',
  });
  assert.throws(() => verify("ssh-rsa.sig", "ssh-ed25519.pub"), /^VarveError: failed to verify ssh signature/);
});

test("the key may have comments, options and other lines around it", () => {
  const line = fixture("ssh-ed25519.pub").toString();
  verify(
    "ssh-ed25519.sig",
    Buffer.from(`# Keys\n\nnonsense\ncommand="a b",no-pty ${line}${fixture("ssh-rsa.pub").toString()}`),
  );
});

test("what is no key or signature is said in BuildKit's words", () => {
  assert.throws(() => verify("ssh-rsa.sig", "data.txt"), { message: "failed to parse ssh public key" });
  assert.throws(() => verify("ssh-rsa.sig", Buffer.from("ssh-rsa AAAA")), {
    message: "failed to parse ssh public key",
  });
  assert.throws(() => verify("data.txt", "ssh-rsa.pub"), { message: "failed to decode ssh signature PEM block" });
});

test("damaged signatures and keys are rejected", () => {
  const names = fc.constantFrom("ed25519", "rsa", "ecdsa");
  fc.assert(
    fc.property(names, fc.nat(2000), fc.integer({ min: 1, max: 255 }), fc.boolean(), (name, at, byte, cut) => {
      const text = fixture(`ssh-${name}.sig`).toString();
      const bytes = Buffer.from(text.split("\n").slice(1, -2).join(""), "base64");
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ byte;
      const base64 = (cut ? bytes.subarray(0, index) : bytes).toString("base64");
      const signature = Buffer.from(`-----BEGIN SSH SIGNATURE-----\n${base64}\n-----END SSH SIGNATURE-----\n`);
      assert.throws(
        () => verifySsh({ signature, key: fixture(`ssh-${name}.pub`), namespace: "git" }, DATA),
        (error) => isVarveError(error, "corrupt"),
      );
    }),
    { numRuns: 300 },
  );
});

test("arbitrary keys are rejected", () => {
  const type = fc.constantFrom("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256");
  fc.assert(
    fc.property(type, fc.uint8Array({ maxLength: 120 }), (name, rest) => {
      const blob = Buffer.concat([Buffer.from([0, 0, 0, name.length]), Buffer.from(name), rest]);
      assert.throws(
        () => verify("ssh-rsa.sig", Buffer.from(`${name} ${blob.toString("base64")}`)),
        (error) => isVarveError(error),
      );
    }),
  );
});
