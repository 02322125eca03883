import { commitImage, recordOf } from "../../../images/index.ts";
import type { LocalImage } from "../../../image/index.ts";
import type { Platform } from "../../../core/index.ts";
import { type RecordId, SCRATCH } from "../../../record/index.ts";
import { ownerOf } from "../copy/chown.ts";
import { checkContainerPaths } from "./container-paths.ts";
import { wrapped } from "../failure.ts";
import { checkLimits } from "./host-config.ts";
import { copyToDestination, makeDirectoriesIn } from "../copy/destination.ts";
import { runStep } from "./run-step.ts";
import type { BuildSession } from "../session.ts";
import type { Step, Work } from "./step.ts";

const ROOT = { uid: 0, gid: 0 };

/** Makes the image of a step after a cache miss. `platform` is the image's platform, and that of the step's programs. */
export async function makeStep(
  step: Step,
  parent: LocalImage | undefined,
  platform: Platform,
  session: BuildSession,
): Promise<LocalImage> {
  const { deps, hold } = session;
  const record = await makeFiles(step, parent, platform, session);
  const { state, probe, createdBy } = step;
  const image = await commitImage(
    {
      parent,
      record,
      config: state.run,
      containerConfig: probe,
      createdBy,
      platform,
      author: state.author,
    },
    deps.store,
    hold,
  );
  deps.onImage?.({ kind: "create", image, name: image.id });
  return image;
}

/** Returns the record with the step's files; undefined if the step changes none. */
async function makeFiles(
  { work, state }: Step,
  parent: LocalImage | undefined,
  platform: Platform,
  session: BuildSession,
): Promise<RecordId | undefined> {
  const { deps, hold, containers, unchecked } = session;
  const { records } = deps.store;
  const base = (): RecordId => (parent === undefined ? SCRATCH : recordOf(parent, records, hold.lease));
  if (work.kind !== "copy") checkLimits(session.request.limits);
  switch (work.kind) {
    case "metadata": {
      if (parent !== undefined && unchecked.includes(parent, state.run)) {
        await using tree = await records.mount(base(), hold);
        checkContainerPaths(tree.path, state.run);
      }
      containers.create();
      return undefined;
    }
    case "workdir": {
      await using layer = await records.begin(base(), {}, hold);
      checkContainerPaths(layer.path, state.run);
      containers.create();
      makeDirectoriesIn(layer.path, [work.path]);
      return (await layer.commit()).id;
    }
    case "copy": {
      await using layer = await records.begin(base(), {}, hold);
      await copyInto(layer.path, work, session);
      return (await layer.commit()).id;
    }
    case "run":
      return await runStep({ ...work, state, platform, base: base() }, session);
  }
}

async function copyInto(tree: string, work: Extract<Work, { kind: "copy" }>, { hold }: BuildSession): Promise<void> {
  const requested = work.chown === "" ? ROOT : ownerOf(work.chown, tree);
  const owner = work.chown === "" && work.keepOwners ? undefined : requested;
  for (const source of work.sources) {
    try {
      await copyToDestination(tree, source, work.destination, { owner, unpack: work.unpack, signal: hold.signal });
    } catch (error) {
      throw wrapped(error, "failed to copy files");
    }
  }
}
