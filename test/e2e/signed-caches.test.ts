import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { CacheFixture, SMALL_STEPS, hasty } from "../../testing/cache-fixture.ts";
import { GhaServer, ghaToken } from "../../testing/gha-server.ts";
import { OBJECT_BACK_ENDS } from "../../testing/object-caches.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { Varve, buildsUnavailable } from "../../testing/varve.ts";
import type { CacheSpec } from "../../src/engine/index.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? false;
const NOWHERE = { outputs: [{ type: "cacheonly" }] } as const;

suite("signed caches", { skip }, () => {
  const stack = new AsyncDisposableStack();
  let server: RegistryServer;
  let fixture: CacheFixture;
  let secret: string;
  let open: string;
  let other: string;
  before(async () => {
    server = stack.use(await startRegistry());
    fixture = stack.use(await CacheFixture.open());
    [secret, open, other] = ["key.pem", "pub.pem", "other.pem"].map((name) => join(fixture.folder, name)) as [
      string,
      string,
      string,
    ];
    const keys = generateKeyPairSync("ed25519");
    await writeFile(secret, keys.privateKey.export({ format: "pem", type: "pkcs8" }));
    await writeFile(open, keys.publicKey.export({ format: "pem", type: "spki" }));
    await writeFile(other, generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" }));
  });
  after(() => stack.disposeAsync());

  const registry = () => ({ registry: hasty(server.host, { timeouts: {} }) });

  /** Exports to a place, and imports from it. */
  function placeOf(to: CacheSpec, from: CacheSpec) {
    const taken = async (...each: readonly Readonly<Record<string, string>>[]) => {
      const cacheFrom = each.map((more) => ({ ...from, attrs: { ...from.attrs, ...more } }));
      const { hits, events, result } = await fixture.build({ ...NOWHERE, cacheFrom }, registry());
      const failed = events.flatMap((event) =>
        event.kind === "vertex" && event.name.startsWith("importing") ? (event.error ?? []) : [],
      );
      return { hits: hits.length, failed, why: result.steps.flatMap(({ why }) => why?.text || []) };
    };
    const exported = async (more: Readonly<Record<string, string>>) =>
      await fixture.build(
        { ...NOWHERE, cacheTo: [{ ...to, attrs: { ...to.attrs, mode: "max", ...more } }] },
        registry(),
      );

    return { taken, exported };
  }

  async function check({ taken, exported }: ReturnType<typeof placeOf>): Promise<void> {
    await exported({});
    const unsigned = await taken({ verify: open });
    assert.equal(unsigned.hits, 0);
    assert.match(unsigned.failed.join(), /it is not signed/);
    assert.match(unsigned.why.join("\n"), /^the cache .* was not used: .*it is not signed$/);

    assert.match((await exported({ sign: secret })).warnings.join(), /is replaced: it is not signed/);
    assert.deepEqual([(await taken({ verify: open })).hits, (await taken({})).hits], [SMALL_STEPS, SMALL_STEPS]);
    const strange = await taken({ verify: other });
    assert.equal(strange.hits, 0);
    assert.match(strange.failed.join(), /not by the given key/);
    assert.equal((await taken({ verify: other }, {})).hits, 0, "another mention does not undo verify");
  }

  /** What only needs to be tried in one place. */
  async function checkRefusals({ taken, exported }: ReturnType<typeof placeOf>): Promise<void> {
    assert.match((await exported({})).warnings.join(), /was not exported.*it is signed/);
    assert.match((await exported({ sign: secret, scope: "pr-1" })).warnings.join(), /was not exported.*for the scope/);
    await exported({ sign: secret, scope: "pr-1", reset: "true" });
    assert.match((await taken({ verify: open })).failed.join(), /signed for the scope "pr-1"/);
    assert.equal((await taken({ verify: open, scope: "pr-1" })).hits, SMALL_STEPS);
    assert.match((await taken({ verify: "" })).failed.join(), /verify of a cache: it is empty/);
  }

  test("in a directory", async () => {
    const at = join(fixture.folder, "cache");
    const place = placeOf({ type: "local", attrs: { dest: at } }, { type: "local", attrs: { src: at } });
    await check(place);
    await checkRefusals(place);
  });

  test("in a registry", async () => {
    const place = { type: "registry", attrs: { ref: `${server.host}/cache:1` } };
    await check(placeOf(place, place));
  });

  for (const { type, missing, start, attributes } of OBJECT_BACK_ENDS)
    test(`in ${type}`, { skip: missing() ?? false }, async () => {
      await using objects = await start();
      const place = { type, attrs: attributes(objects.host, "signed") };
      await check(placeOf(place, place));
    });

  test("in GitHub Actions", async () => {
    await using actions = await GhaServer.start();
    const place = {
      type: "gha",
      attrs: { url: actions.url, version: "2", token: ghaToken([["refs/heads/main", 3]]) },
    } as const;
    await check(placeOf(place, place));
  });

  test("the commands read keys from files and variables", async () => {
    await using varve = await Varve.open();
    const at = join(varve.folder, "cache");
    const env = {
      KEY: generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
    };
    const build = ["--network=none", "-o", "type=cacheonly", fixture.context];
    await varve.build(["--cache-to", `type=local,dest=${at},mode=max,sign=env:KEY`, ...build], { env });
    assert.equal((await varve.run(["cache", "ls", `type=local,src=${at},verify=${open}`])).code, 4);
    const missing = await varve.tryBuild(["--cache-to", `type=local,dest=${at},sign=env:KEY`, ...build]);
    assert.match(missing.stderr, /the variable KEY is not set/);
    assert.equal(missing.code, 2);
    const pruned = ["cache", "prune", "--target", `type=local,dest=${at}`];
    assert.match((await varve.run(pruned)).stderr, /it is signed, which needs its key/);
    assert.equal((await varve.run([...pruned.slice(0, 3), `type=local,dest=${at},sign=env:KEY`], { env })).code, 0);
  });
});
