import { commitImage } from "../images/index.ts";
import type { LocalImage } from "../image/local-image.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { ClassicFixture, type ClassicStep, probesOf, set } from "../../testing/classic.ts";
import { recordsMissing } from "../../testing/records.ts";
import { hostPlatform } from "../core/index.ts";
import { equalConfigs } from "./index.ts";

/** Few texts, so that chains meet. */
const text = fc.constantFrom("a", "b", "c");
const chain = fc.array(text, { minLength: 1, maxLength: 4 });

const stepOf = (name: string): ClassicStep => set(name, {});

interface Made {
  readonly image: LocalImage;
  /** ns since 1970. */
  readonly created: bigint;
}

/** What the newest of the chains that reach furthest is, by trying all of them. */
function best(made: readonly Made[], steps: readonly string[]): LocalImage[] {
  const probes = probesOf(steps.map(stepOf), undefined, hostPlatform());
  const extend = (path: readonly Made[]): (readonly Made[])[] => {
    const step = probes[path.length];
    const next = made.filter(
      ({ image }) =>
        step !== undefined &&
        image.parent === path.at(-1)?.image.id &&
        equalConfigs(image.containerConfig ?? {}, step.config),
    );
    return next.length === 0 ? [path] : next.flatMap((each) => extend([...path, each]));
  };
  const paths = extend([]);
  const length = Math.max(...paths.map((path) => path.length));
  const longest = paths.filter((path) => path.length === length);
  const newest = longest.toSorted((a, b) => Number((b.at(-1)?.created ?? 0n) - (a.at(-1)?.created ?? 0n)))[0] ?? [];
  return newest.map(({ image }) => image);
}

test(
  "of any images the cache takes the newest of the chains that reach furthest",
  { skip: recordsMissing() ?? false },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(chain, { maxLength: 5 }), chain, fc.integer(), async (chains, wanted, seed) => {
        await using fixture = await ClassicFixture.open();
        const made: Made[] = [];
        let time = 0n;
        for (const names of chains) {
          const probes = probesOf(names.map(stepOf), undefined, hostPlatform());
          let parent: LocalImage | undefined;
          for (const [index, probe] of probes.entries()) {
            // Times of their own that say nothing of the order of steps.
            time += 1n;
            const created = ((time * 7_919n + BigInt(Math.abs(seed))) % 1_000_003n) + 1n;
            const known = made.find(
              ({ image }) =>
                image.parent === parent?.id &&
                image.config.history.at(-1)?.created_by === names[index] &&
                time % 3n === 0n,
            );
            parent =
              known?.image ??
              (await commitImage(
                {
                  parent,
                  record: undefined,
                  config: probe.runConfig,
                  containerConfig: probe.config,
                  createdBy: names[index] ?? "",
                  platform: probe.platform,
                  created,
                },
                fixture.store,
                fixture.hold,
              ));
            if (known === undefined) made.push({ image: parent, created });
          }
        }
        const expected = best(made, wanted).map(({ id }) => id);
        const { answers, ids } = await fixture.build(wanted.map(stepOf));
        const hits = answers.filter((answer) => answer !== "miss").length;
        assert.deepEqual(ids.slice(0, hits), expected);
      }),
      { numRuns: 60 },
    );
  },
);
