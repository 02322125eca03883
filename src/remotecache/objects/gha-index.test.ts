import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { GhaServer, ghaToken } from "../../../testing/gha-server.ts";
import { type ActionsCache, openActionsCache } from "../../objectstore/index.ts";
import { GhaIndex } from "./gha-index.ts";
import { ghaIndexPrefix } from "./gha-keys.ts";

const REF = "refs/heads/feat";

suite("versions of a document in the cache service", () => {
  const stack = new AsyncDisposableStack();
  let server: GhaServer;
  let service: ActionsCache;
  before(async () => {
    server = stack.use(await GhaServer.start());
    service = stack.use(openActionsCache({ version: 2, url: server.url, token: ghaToken([[REF, 3]]), env: {} }));
  });
  after(() => stack.disposeAsync());

  const bytes = Buffer.from("{}");

  test("have the keys of BuildKit's", () => {
    assert.equal(ghaIndexPrefix("sc1", REF), "index-sc1-1-f8c49319#");
    assert.equal(ghaIndexPrefix("sc1", "refs/heads/main"), "index-sc1-1-f921bd05#");
  });

  test("are numbered; who has read an older version does not write", async () => {
    const index = new GhaIndex(service, "numbered", REF);
    const first = await index.write(bytes, undefined, {});
    assert.deepEqual(first, { kind: "written", key: `${index.prefix}1`, isNext: true });
    const second = await index.write(bytes, await index.version({}), {});
    assert.deepEqual(second, { kind: "written", key: `${index.prefix}2`, isNext: true });
    assert.deepEqual(await index.write(bytes, `${index.prefix}1`, {}), { kind: "conflict" });
    assert.equal((await index.read({}))?.etag, `${index.prefix}2`);
  });

  test("that a dead job has reserved are passed over after a time, and the writer looks again", async () => {
    const patient = new GhaIndex(service, "dead", REF);
    server.fault = ({ method }) => (method === "PUT" ? { status: 403 } : undefined);
    await assert.rejects(patient.write(bytes, undefined, {}), { code: "unauthorized" });
    server.fault = () => undefined;
    assert.deepEqual(await patient.write(bytes, undefined, {}), { kind: "conflict" });
    assert.deepEqual(await patient.write(bytes, undefined, {}), { kind: "conflict" });
    const hasty = new GhaIndex(service, "dead", REF, { dead: 0 });
    assert.deepEqual(await hasty.write(bytes, undefined, {}), {
      kind: "written",
      key: `${hasty.prefix}2`,
      isNext: false,
    });
  });

  test("that are signed are others", async () => {
    const index = new GhaIndex(service, "signed", REF);
    const key = `${index.prefix.slice(0, -1)}-sig#1`;
    await service.write(
      key,
      {
        size: 2,
        open: async function* () {
          yield await Promise.resolve(bytes);
        },
      },
      {},
    );
    assert.equal(await index.version({}), undefined);
  });
});
