import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { type Digest, digestHex, digestOf } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { openState } from "../state/index.ts";
import { type ContentStore, type Lease, openContentStore } from "./index.ts";

/** Few blobs and leases, so that operations meet. */
const BLOBS = ["a", "b", "c", "d", "e"];
const blob = fc.nat({ max: BLOBS.length - 1 });
const slot = fc.nat({ max: 2 });

type Step =
  | { readonly do: "put"; readonly blob: number; readonly slot: number | undefined }
  | { readonly do: "lease" | "drop"; readonly slot: number }
  | { readonly do: "add"; readonly blob: number; readonly slot: number }
  | { readonly do: "link"; readonly blob: number; readonly to: number }
  | { readonly do: "delete"; readonly blob: number }
  | { readonly do: "collect" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("put" as const), blob, slot: fc.option(slot, { nil: undefined }) }),
  fc.record({ do: fc.constantFrom("lease" as const, "drop" as const), slot }),
  fc.record({ do: fc.constant("add" as const), blob, slot }),
  fc.record({ do: fc.constant("link" as const), blob, to: blob }),
  fc.record({ do: fc.constant("delete" as const), blob }),
  fc.constant({ do: "collect" as const }),
);

const digestAt = (index: number): Digest => digestOf(BLOBS[index] as string);

/** What the store should do, in the plainest form. */
class Model {
  readonly present = new Map<number, Set<number>>();
  readonly leases = new Map<number, Set<number>>();

  collect(): number {
    const reached = new Set<number>();
    const visit = (index: number): void => {
      if (reached.has(index)) return;
      reached.add(index);
      for (const to of this.present.get(index) ?? []) visit(to);
    };
    for (const held of this.leases.values()) for (const index of held) visit(index);
    const gone = [...this.present.keys()].filter((index) => !reached.has(index));
    for (const index of gone) this.present.delete(index);
    return gone.length;
  }
}

class Run {
  readonly #model = new Model();
  readonly #leases = new Map<number, Lease>();
  readonly #store: ContentStore;

  constructor(store: ContentStore) {
    this.#store = store;
  }

  async apply(step: Step): Promise<void> {
    const { present, leases } = this.#model;
    switch (step.do) {
      case "put": {
        const lease = step.slot === undefined ? undefined : this.#leases.get(step.slot);
        await this.#store.put(Buffer.from(BLOBS[step.blob] as string), lease === undefined ? {} : { lease });
        if (!present.has(step.blob)) present.set(step.blob, new Set());
        if (lease !== undefined && step.slot !== undefined) leases.get(step.slot)?.add(step.blob);
        return;
      }
      case "lease":
        if (leases.has(step.slot)) return;
        this.#leases.set(step.slot, await this.#store.lease());
        leases.set(step.slot, new Set());
        return;
      case "drop":
        await this.#leases.get(step.slot)?.[Symbol.asyncDispose]();
        this.#leases.delete(step.slot);
        leases.delete(step.slot);
        return;
      case "add":
        this.#leases.get(step.slot)?.add("blob", digestAt(step.blob));
        leases.get(step.slot)?.add(step.blob);
        return;
      case "link":
        if (!present.has(step.blob)) return;
        this.#store.link(digestAt(step.blob), [digestAt(step.to)]);
        present.get(step.blob)?.add(step.to);
        return;
      case "delete":
        assert.equal(await this.#store.delete(digestAt(step.blob)), present.delete(step.blob));
        return;
      case "collect":
        assert.equal((await this.#store.collect()).blobs, this.#model.collect());
    }
  }

  /** Blobs the model has, in order. */
  expected(): Digest[] {
    return Array.from(this.#model.present.keys(), digestAt).sort();
  }
}

test("any sequence of operations leaves the store as a plain model says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await using dir = await temporaryDirectory();
      using state = openState(join(dir.path, "state.db"));
      const store = openContentStore(dir.path, state);
      const run = new Run(store);
      for (const each of steps) {
        await run.apply(each);
        assert.deepEqual(
          Array.from(store.walk(), ({ digest }) => digest),
          run.expected(),
        );
      }
      assert.deepEqual(readdirSync(join(dir.path, "content/blobs/sha256")).sort(), run.expected().map(digestHex));
      assert.deepEqual((await store.verify()).damaged, []);
    }),
    { numRuns: 40 },
  );
});
