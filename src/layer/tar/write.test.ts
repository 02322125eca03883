import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../../core/index.ts";
import { bytesOf, collect, digestBytes } from "../../io/index.ts";
import { readTar, type TarEntryType, type TarInput, writeTar } from "../index.ts";

const what = { what: "the test" };
const D = "d".repeat(60);
const L = "x".repeat(90);
const SECOND = 1_000_000_000n;
const CAPABILITY = new Map([["security.capability", Buffer.from("0100000200200000000000000000000000000000", "hex")]]);

const bytes = (text: string): string => Buffer.from(text).toString("latin1");

test("an empty archive is the empty layer", async () => {
  const { digest, size } = await digestBytes(writeTar([]));
  assert.equal(digest, "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
  assert.equal(size, 1024);
});

/** The digest is that of an archive which Go's archive/tar wrote (by umoci, from a tree with these files). */
test("headers are those of Go's archive/tar, byte for byte", async () => {
  const at = 1_704_164_645n * SECOND;
  const file = (path: string, body: string, more: Partial<TarInput> = {}): TarInput => ({
    path,
    body: Buffer.from(body, "latin1"),
    mtime: at,
    ...more,
  });
  const other = (path: string, type: TarEntryType, more: Partial<TarInput> = {}): TarInput => ({
    path,
    type,
    mtime: at,
    ...more,
  });
  const inputs: TarInput[] = [
    file("bad\xff\xfename", "x\n"),
    file("cap", "cap\n", { mode: 0o4755, xattrs: CAPABILITY }),
    other("capln", "hardlink", { linkPath: "cap", mode: 0o4755, xattrs: CAPABILITY }),
    other(D, "directory"),
    other(`${D}/${D}`, "directory"),
    file(`${D}/${D}/file`, "hi\n"),
    file(`${D}/${D}/${L}`, "hi\n"),
    file(`${D}/${D}/${L}${L}`, "hi\n"),
    other(bytes(`${D}/é`), "directory"),
    file(bytes(`${D}/é/ü`), "hi\n"),
    other("dev", "block", { devMajor: 7, devMinor: 1 }),
    other("fifo", "fifo"),
    file("future", "x\n", { mtime: 9_000_000_000n * SECOND }),
    other("lnlong", "hardlink", { linkPath: `${D}/${D}/${L}${L}` }),
    other("longlink", "symlink", { linkPath: `${L}/${L}/${L}`, mode: 0o777 }),
    file("old", "x\n", { mtime: -10n * SECOND }),
    other("plain", "directory"),
    other(`plain/${L}`, "directory"),
    other("sl", "symlink", { linkPath: bytes("ée"), mode: 0o777 }),
    file("uid", "big\n", { uid: 3_000_000, gid: 5 }),
    other(bytes("é"), "directory"),
    other(bytes(`é/${L}${L}`), "directory"),
    file(bytes(`é/${L}${L}/f`), "\n"),
    file(bytes("ée"), bytes("é\n")),
  ];
  const { digest, size } = await digestBytes(writeTar(inputs));
  assert.equal(size, 35_328);
  assert.equal(digest, "sha256:5a9fee226dd35ec30ca3c4ac8966350a90b9f970b5c76a806d63aeb0e57fba31");
});

const pathArbitrary = fc
  .array(
    fc.string({
      unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 120,
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.map((part) => part.replaceAll("/", "_").replace(/^\.{1,2}$/, "dot")).join("/"));

const inputArbitrary = fc.record({
  path: pathArbitrary,
  type: fc.constantFrom<TarEntryType>("file", "directory", "symlink", "hardlink", "char", "fifo"),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xffff_fffe }),
  gid: fc.integer({ min: 0, max: 3_000_000 }),
  mtime: fc.integer({ min: -10_000_000_000, max: 99_000_000_000 }),
  linkPath: pathArbitrary,
  device: fc.tuple(fc.integer({ min: 0, max: 0xfff }), fc.integer({ min: 0, max: 0xf_ffff })),
  xattrs: fc.array(fc.tuple(fc.stringMatching(/^user\.[a-z=]{1,9}$/), fc.uint8Array({ maxLength: 30 })), {
    maxLength: 2,
  }),
  body: fc.uint8Array({ maxLength: 1200 }),
});

test("what is written is read back", async () => {
  const property = fc.asyncProperty(fc.array(inputArbitrary, { maxLength: 5 }), async (wanted) => {
    const inputs = wanted.map(({ device, mtime, xattrs, linkPath, body, ...rest }): TarInput => ({
      ...rest,
      mtime: BigInt(mtime) * SECOND,
      xattrs: new Map(xattrs.filter(([name]) => !name.includes("="))),
      ...(rest.type === "file" ? { body } : {}),
      ...(rest.type === "symlink" || rest.type === "hardlink" ? { linkPath } : {}),
      ...(rest.type === "char" ? { devMajor: device[0], devMinor: device[1] } : {}),
    }));
    const archive = await collect(writeTar(inputs), 1e8, what);
    let at = 0;
    for await (const entry of readTar(bytesOf(archive))) {
      const input = inputs[at] as TarInput;
      at += 1;
      const { body, rawPath, ...header } = entry;
      const content = await collect(body, 1e6, what);
      assert.equal(rawPath, input.type === "directory" ? `${input.path}/` : input.path);
      assert.deepEqual(content, Buffer.from((input.body as Uint8Array | undefined) ?? []));
      assert.deepEqual(header, {
        path: input.path,
        type: input.type,
        mode: input.mode,
        uid: input.uid,
        gid: input.gid,
        size: content.length,
        mtime: input.mtime,
        linkPath: input.linkPath ?? "",
        devMajor: input.devMajor ?? 0,
        devMinor: input.devMinor ?? 0,
        xattrs: new Map([...(input.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value)])),
      });
    }
    assert.equal(at, inputs.length);
  });
  await fc.assert(property, { numRuns: 150 });
});

test("times are rounded down to seconds, before 1970 too", async () => {
  const archive = await collect(
    writeTar([
      { path: "a", mtime: 1_999_999_999n },
      { path: "b", mtime: -1n },
    ]),
    1e6,
    what,
  );
  const times = [];
  for await (const entry of readTar(bytesOf(archive))) times.push(entry.mtime);
  assert.deepEqual(times, [SECOND, -SECOND]);
});

test("a size past 8 GiB goes to a PAX record", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    const chunk = new Uint8Array(1 << 20);
    for (;;) yield await Promise.resolve(chunk);
  }
  const size = 9_000_000_000;
  const reader = readTar(writeTar([{ path: "big", body: { size, bytes: endless() } }]));
  const first = await reader.next();
  assert.equal(first.value?.size, size);
});

test("a streamed body of another size than it said is refused", async () => {
  for (const size of [3, 5, 600]) {
    await assert.rejects(
      collect(writeTar([{ path: "a", body: { size, bytes: bytesOf("abcd") } }]), 1e6, what),
      (error) => isVarveError(error, "corrupt"),
    );
  }
});

test("content survives chunks that end anywhere in it, and chunks stay as they were handed out", async () => {
  const sizes = [0, 1, 511, 512, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 700_000];
  const bodies = sizes.map((size, index) => Buffer.alloc(size, index + 1));
  const inputs = bodies.flatMap((body, index): TarInput[] => [
    { path: `whole-${index}`, body },
    { path: `cut-${index}`, body: { size: body.length, bytes: bytesOf(...cut(body, 100_000)) } },
  ]);
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar(inputs)) chunks.push(chunk);
  const found: Buffer[] = [];
  for await (const entry of readTar(bytesOf(...chunks))) found.push(await collect(entry.body, 1_000_000, what));
  assert.deepEqual(
    found,
    bodies.flatMap((body) => [body, body]),
  );
});

function cut(body: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) pieces.push(body.subarray(at, at + size));
  return pieces;
}
