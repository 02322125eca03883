import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import * as fc from "fast-check";
import { RPM } from "./rpm.ts";
import { tableRows } from "./sqlite.ts";

const FIXTURES = new URL("../../../testing/fixtures/rpm/", import.meta.url);
const fixture = (name: string): Buffer => gunzipSync(readFileSync(new URL(name, FIXTURES)));
const [SQLITE, BERKELEY] = [fixture("rpmdb.sqlite.gz"), fixture("Packages.gz")];
const FILE = { distribution: { id: "fedora", version: "40" }, path: "var/lib/rpm/rpmdb.sqlite" };

/** The database of `values` as rpm's own format has it, with one blob after another. */
function ndb(values: readonly Buffer[]): Buffer {
  const slots = Buffer.alloc(4096);
  slots.write("RpmP", "latin1");
  slots.writeUInt32LE(1, 12);
  const blobs = [slots];
  let block = 4096 / 16;
  for (const [index, value] of values.entries()) {
    const [at, header] = [32 + index * 16, Buffer.alloc(16)];
    slots.write("Slot", at, "latin1");
    header.write("BlbS", "latin1");
    for (const target of [slots.subarray(at), header]) target.writeUInt32LE(index + 1, 4);
    slots.writeUInt32LE(block, at + 8);
    header.writeUInt32LE(value.length, 12);
    const blob = Buffer.concat([header, value, Buffer.alloc(16 - (value.length % 16))]);
    slots.writeUInt32LE(blob.length / 16, at + 12);
    block += blob.length / 16;
    blobs.push(blob);
  }
  return Buffer.concat(blobs);
}

const HEADERS = [...tableRows(SQLITE, "Packages")].flatMap(([, blob]) => (Buffer.isBuffer(blob) ? [blob] : []));
const DATABASES = { sqlite: SQLITE, ndb: ndb(HEADERS), "Berkeley DB": BERKELEY };

for (const [format, bytes] of Object.entries(DATABASES))
  test(`packages in a database of rpm: ${format}`, () => {
    const found = RPM.read(bytes, FILE);
    const small = Array.from({ length: 24 }, (_, at) => `small-${at + 1}`);
    assert.deepEqual(found.map(({ name }) => name).toSorted(), ["hello", "tzdata", ...small].toSorted());
    assert.deepEqual(
      found.find(({ name }) => name === "hello"),
      {
        name: "hello",
        version: "2.10-1.el9",
        purl: "pkg:rpm/fedora/hello@2.10-1.el9?arch=noarch&distro=fedora-40&upstream=hello-2.10-1.el9.src.rpm",
        supplier: "Example Project",
        license: "GPL-3.0-or-later",
      },
    );
    const { version, purl } = found.find(({ name }) => name === "tzdata") ?? {};
    assert.equal(version, "2:2024a-1.fc40");
    assert.match(purl ?? "", /^pkg:rpm\/fedora\/tzdata@2024a-1\.fc40\?arch=noarch&distro=fedora-40&epoch=2&/);
  });

test("the places of the database", () => {
  for (const path of ["var/lib/rpm/Packages", "var/lib/rpm/Packages.db", "usr/lib/sysimage/rpm/rpmdb.sqlite"])
    assert.ok(RPM.matches(path), path);
  for (const path of ["var/lib/rpm/Name", "home/var/lib/rpm/Packages", "var/lib/rpm/rpmdb.sqlite-wal"])
    assert.ok(!RPM.matches(path), path);
});

test("a key that rpm trusts is no package", () => {
  const [first = Buffer.alloc(0)] = HEADERS;
  const name = first.indexOf("tzdata\0");
  const key = Buffer.concat([first.subarray(0, name), Buffer.from("gpg-pubkey\0"), first.subarray(name + 11)]);
  assert.deepEqual(RPM.read(ndb([key]), FILE), []);
});

test("a database that anybody has written is read to its end, without an error", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(DATABASES)),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 40 }),
      fc.boolean(),
      fc.option(fc.nat()),
      (original, changes, isNear, length) => {
        const bytes = Buffer.from(original.subarray(0, length === null ? undefined : length % original.length));
        // Changes of the first bytes matter most.
        for (const [at, value] of changes) bytes[at % (isNear ? 256 : bytes.length)] = value;
        const found = RPM.read(bytes, FILE);
        assert.ok(found.length <= 30, `${found.length} packages`);
      },
    ),
    { numRuns: 200 },
  );
});

test("pages that lead to each other, and rows that are the same one, end", () => {
  const looped = Buffer.from(SQLITE);
  const size = looped.readUInt16BE(16);
  for (let page = 1; page * size < looped.length; page += 1) {
    // Each page is the parent of the next one, and of itself.
    looped[page * size] = 0x05;
    looped.writeUInt16BE(1, page * size + 3);
    looped.writeUInt16BE(100, page * size + 12);
    looped.writeUInt32BE(page + 1, page * size + 8);
    looped.writeUInt32BE(page + 1, page * size + 100);
  }
  assert.deepEqual(RPM.read(looped, FILE), []);
  const same = ndb(HEADERS.slice(0, 1));
  for (let slot = 1; slot < 254; slot += 1) same.copy(same, 32 + slot * 16, 32, 48);
  assert.equal(RPM.read(same, FILE).length, 1);
});
