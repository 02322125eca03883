import assert from "node:assert/strict";
import { test } from "node:test";
import { recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { collect } from "../../io/index.ts";
import { Uploads } from "./uploads.ts";

test("an upload is pulled once and read as often as it is asked for", { skip: recordsMissing() ?? false }, async () => {
  await using fixture = await temporaryRecords();
  let pulls = 0;
  async function* once(): AsyncGenerator<Uint8Array> {
    pulls += 1;
    yield await Promise.resolve(Buffer.from("bytes"));
  }
  const client = { upload: ({ hostname }: URL) => (hostname === "uploads" ? once() : undefined) };
  const uploads = new Uploads({ client, content: fixture.content, hold: fixture.hold });
  const read = async (): Promise<string> =>
    (await collect(uploads.open("http://uploads/x") ?? assert.fail(), 100, { what: "an upload" })).toString();
  assert.deepEqual(await Promise.all([read(), read()]), ["bytes", "bytes"]);
  assert.equal(await read(), "bytes");
  assert.equal(pulls, 1);
  for (const url of ["http://elsewhere/x", "no URL"]) assert.equal(uploads.open(url), undefined);
});

test("a client may upload nothing", { skip: recordsMissing() ?? false }, async () => {
  await using fixture = await temporaryRecords();
  const uploads = new Uploads({ client: {}, content: fixture.content, hold: fixture.hold });
  assert.equal(uploads.open("http://uploads/x"), undefined);
});
