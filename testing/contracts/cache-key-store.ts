import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../src/core/index.ts";
import { type CacheKeyStore, type KeyLink, recordDigest } from "../../src/solver/index.ts";

export interface KeyStoreFixture extends AsyncDisposable {
  readonly store: CacheKeyStore;
}

const OP = digestOf("op");
const root = (name: string): string => recordDigest(digestOf(name), 0);
const via = (changes: Partial<KeyLink> = {}): KeyLink => ({
  input: 0,
  output: 0,
  digest: OP,
  selector: "",
  ...changes,
});

const link = (from: string, to: string, how: KeyLink = via()) => ({ kind: "link", from, link: how, to }) as const;
const result = (key: string, id: string, createdAt = 1_000) =>
  ({ kind: "result", key, result: { id, createdAt } }) as const;

type Check = (what: string, body: (store: CacheKeyStore) => Promise<void>) => void;

/** Every implementation of `CacheKeyStore` that can be written to runs this. */
export function cacheKeyStoreContract(name: string, setUp: () => Promise<KeyStoreFixture>): void {
  const check: Check = (what, body) => {
    test(`${name}: ${what}`, async () => {
      await using fixture = await setUp();
      await body(fixture.store);
    });
  };
  linking(check);
  results(check);
  releasing(check);
}

async function walk(store: CacheKeyStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.walk()) keys.push(key);
  return keys.sort();
}

function linking(check: Check): void {
  check("an empty store knows nothing and says so", async (store) => {
    assert.equal(await store.exists("x"), false);
    assert.deepEqual(await walk(store), []);
    assert.deepEqual(await store.results("x"), []);
    assert.equal(await store.result("x", "r"), undefined);
    assert.deepEqual(await store.links("x", via()), []);
    assert.equal(await store.hasLink("x", via(), "y"), false);
    assert.deepEqual(await store.backlinks("x"), []);
    assert.deepEqual(await store.outgoing("x"), []);
    assert.deepEqual(await store.keysOfResult("r"), []);
    await store.release("r");
    await store.write([]);
  });

  check("a link leads one way, and is found by every part of it", async (store) => {
    const how = via({ input: 1, output: 2, selector: digestOf("/") });
    await store.write([link(root("a"), "k", how)]);
    assert.deepEqual(await store.links(root("a"), how), ["k"]);
    assert.equal(await store.hasLink(root("a"), how, "k"), true);
    assert.equal(await store.hasLink("k", how, root("a")), false);
    for (const other of [{ input: 0 }, { output: 0 }, { selector: "" as const }, { digest: digestOf("other") }])
      assert.deepEqual(await store.links(root("a"), { ...how, ...other }), []);
    assert.deepEqual(await store.links(root("b"), how), []);
    const [back] = await store.backlinks("k");
    assert.deepEqual({ ...back?.link, from: back?.from }, { ...how, from: root("a") });
    const [out] = await store.outgoing(root("a"));
    assert.deepEqual({ ...out?.link, to: out?.to }, { ...how, to: "k" });
    assert.deepEqual(await walk(store), [root("a"), "k"].sort());
    assert.equal(await store.exists(root("a")), true);
    assert.equal(await store.exists("k"), true);
  });

  check("a link may lead to several keys, and several links to one", async (store) => {
    await store.write([link("a", "k1"), link("a", "k2"), link("b", "k1"), link("b", "k1", via({ input: 1 }))]);
    assert.deepEqual([...(await store.links("a", via()))].sort(), ["k1", "k2"]);
    assert.equal((await store.backlinks("k1")).length, 3);
    assert.equal((await store.outgoing("b")).length, 2);
  });

  check("writing the same twice changes nothing", async (store) => {
    for (let i = 0; i < 2; i += 1) await store.write([link("a", "k"), result("k", "r")]);
    assert.deepEqual(await store.links("a", via()), ["k"]);
    assert.equal((await store.backlinks("k")).length, 1);
    assert.equal((await store.results("k")).length, 1);
  });

  check("names are taken literally, whatever is in them", async (store) => {
    const names = ["", "a b", "a\u0000b", "__proto__", "x' OR 1=1 --", "ä", "😀"];
    await store.write(names.map((one) => link(one, `to ${one}`)));
    for (const one of names) assert.deepEqual(await store.links(one, via()), [`to ${one}`]);
  });
}

function results(check: Check): void {
  check("results come newest first, with the time given last", async (store) => {
    await store.write([result("k", "old", 1), result("k", "new", 3.5), result("k", "mid", 2)]);
    assert.deepEqual(
      (await store.results("k")).map(({ id }) => id),
      ["new", "mid", "old"],
    );
    assert.deepEqual((await store.results("k"))[0]?.createdAt, 3.5);
    await store.write([result("k", "old", 9)]);
    assert.deepEqual(
      (await store.results("k")).map(({ id }) => id),
      ["old", "new", "mid"],
    );
    assert.equal((await store.result("k", "mid"))?.createdAt, 2);
    assert.equal(await store.result("k", "none"), undefined);
  });

  check("a result may hang on several keys", async (store) => {
    await store.write([result("k1", "r"), result("k2", "r"), result("k2", "s")]);
    assert.deepEqual([...(await store.keysOfResult("r"))].sort(), ["k1", "k2"]);
    assert.deepEqual(await walk(store), ["k1", "k2"]);
  });

  check("times before 1970 are kept", async (store) => {
    await store.write([result("k", "r", -62_135_596_800_000)]);
    assert.equal((await store.results("k"))[0]?.createdAt, -62_135_596_800_000);
  });
}

function releasing(check: Check): void {
  check("releasing a result takes it from every key and no other result", async (store) => {
    await store.write([result("k1", "r"), result("k2", "r"), result("k2", "s")]);
    await store.release("r");
    assert.deepEqual(await store.results("k1"), []);
    assert.deepEqual(
      (await store.results("k2")).map(({ id }) => id),
      ["s"],
    );
    assert.deepEqual(await store.keysOfResult("r"), []);
    assert.equal(await store.exists("k1"), false);
  });

  check("keys that lead nowhere any more go, upwards, as far as nothing else needs them", async (store) => {
    await store.write([
      link("a", "b"),
      link("b", "c"),
      link("b", "d", via({ output: 1 })),
      result("c", "rc"),
      result("d", "rd"),
    ]);
    await store.release("rc");
    assert.deepEqual(await walk(store), ["a", "b", "d"]);
    assert.deepEqual(
      (await store.outgoing("b")).map(({ to }) => to),
      ["d"],
    );
    await store.release("rd");
    assert.deepEqual(await walk(store), []);
  });

  check("a key with a result of its own stays, and one that is still a stepping stone", async (store) => {
    await store.write([link("a", "b"), link("b", "c"), result("b", "rb"), result("c", "rc")]);
    await store.release("rb");
    assert.deepEqual(await walk(store), ["a", "b", "c"]);
    await store.write([result("b", "rb")]);
    await store.release("rc");
    assert.deepEqual(await walk(store), ["a", "b"]);
  });

  check("all inputs' links to a released key go", async (store) => {
    await store.write([
      link("a", "k"),
      link("b", "k", via({ input: 1 })),
      link("a", "z"),
      result("k", "r"),
      result("z", "s"),
    ]);
    await store.release("r");
    assert.deepEqual(await walk(store), ["a", "z"]);
  });

  check("a loop in the links does not keep a release from ending", async (store) => {
    await store.write([link("a", "b"), link("b", "a", via({ output: 1 })), link("a", "a"), result("b", "r")]);
    await store.release("r");
    assert.deepEqual(await store.results("b"), []);
  });
}
