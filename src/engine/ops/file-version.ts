import { type Digest, digestOf } from "../../core/index.ts";
import { type DraftedLayer, canRevise, draftFileOp, listingOfWritten, reviseTree } from "../../fileop/index.ts";
import {
  type DraftFile,
  type Listing,
  MAX_LISTED,
  compareListings,
  decodeListing,
  encodeListing,
  listDraft,
} from "../../layer/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { type FileOp, actionName } from "../../llb/index.ts";
import { type Hold, type RecordId, SCRATCH } from "../../record/index.ts";
import { recordOf } from "./context-record.ts";
import { type FileDeps, read } from "./file-trees.ts";
import { type Result, recordResult } from "./result.ts";

interface Run {
  readonly signal: AbortSignal;
  readonly hold: Hold;
}

/**
 * Describes the layer that a file op is about to make, to make it of the one that the same op made on top of the same record before, of
 * other files. Returns undefined where that is not possible.
 */
export async function describeVersion(
  { op, definition }: { readonly op: FileOp; readonly definition?: Digest | undefined },
  inputs: readonly Result[],
  deps: FileDeps,
  run: Run,
): Promise<FileVersion | undefined> {
  const [first] = op.actions;
  const above = deps.layersAbove;
  if (definition === undefined || first === undefined || above === undefined || !deps.records.stacks) return undefined;
  try {
    await using stack = new AsyncDisposableStack();
    const host = { read: (result: Result) => read(result, deps, run.hold) };
    const drafted = await draftFileOp(op, inputs, host, run.signal, MAX_LISTED);
    if (drafted === undefined) return undefined;
    stack.use(drafted);
    const listing = listDraft(drafted.draft, contentsOf(drafted, inputs));
    if (listing === undefined) return undefined;
    const base = inputs[first.input];
    const parent = base === undefined ? SCRATCH : await recordOf(base, deps, run.hold);
    stack.move();
    const place = digestOf(`${definition} ${parent}`);
    return new FileVersion({ drafted, listing, place, above, description: actionName(first) }, deps, run);
  } catch (error) {
    // Running the op gives the error its message and its place.
    if (run.signal.aborted) throw error;
    return undefined;
  }
}

type Directory = ReadonlyMap<ByteString, { readonly digest: Digest | undefined }>;

/** Returns a function that identifies the content and the attributes of files that a layer is made of. */
function contentsOf(drafted: DraftedLayer, inputs: readonly Result[]): (file: DraftFile) => string | undefined {
  const directories = new Map<string, Directory | undefined>();
  return (file) => {
    const origin = drafted.origin(file);
    const input = origin === undefined ? undefined : inputs[origin.input];
    if (origin === undefined || input === undefined) return undefined;
    if (input.kind === "record") return `${input.id} ${origin.path}`;
    const slash = origin.path.lastIndexOf("/");
    const directory = origin.path.slice(0, Math.max(0, slash));
    const key = `${origin.input} ${directory}`;
    if (!directories.has(key)) directories.set(key, input.context.entry(directory)?.node.entries());
    return directories.get(key)?.get(origin.path.slice(slash + 1))?.digest;
  };
}

interface Description {
  readonly drafted: DraftedLayer;
  readonly listing: Listing;
  /** Where layers are versions of one another: the op and the record below. */
  readonly place: Digest;
  readonly above: number;
  readonly description: string;
}

/** A layer that was described and not made yet. */
class FileVersion implements AsyncDisposable {
  readonly #described: Description;
  readonly #deps: FileDeps;
  readonly #run: Run;
  #isRevision = false;

  constructor(described: Description, deps: FileDeps, run: Run) {
    this.#described = described;
    this.#deps = deps;
    this.#run = run;
  }

  /** Makes the layer of its earlier version. Returns undefined if there is none, or if it differs too much: the op must run. */
  async revise(): Promise<Result | undefined> {
    const { records } = this.#deps;
    const { drafted, listing, place } = this.#described;
    const earlier = records.versions.find(place);
    if (earlier === undefined) return undefined;
    try {
      const changes = compareListings(decodeListing(earlier.listing), listing);
      if (!canRevise(drafted.draft, changes)) return undefined;
      await using layer = await records.beginRevision(earlier.record, this.#described, this.#run.hold);
      if (layer === undefined) return undefined;
      await reviseTree(layer.path, drafted.draft, changes, this.#run.signal);
      const { id } = await layer.commit();
      this.#isRevision = true;
      return recordResult(id);
    } catch (error) {
      // The earlier version may be damaged, or may just have been removed.
      if (this.#run.signal.aborted) throw error;
      return undefined;
    }
  }

  /** Remembers the layer, whose files are those that were described. */
  save([result]: readonly Result[]): void {
    if (result?.kind !== "record") return;
    const listing = this.#isRevision ? this.#described.listing : this.#listingOf(result.id);
    if (listing === undefined) return;
    this.#deps.records.versions.save(this.#described.place, { record: result.id, listing: encodeListing(listing) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#described.drafted[Symbol.asyncDispose]();
  }

  #listingOf(id: RecordId): Listing | undefined {
    const upper = this.#deps.records.upperDir(id);
    return upper === undefined
      ? undefined
      : listingOfWritten(upper, this.#described.drafted.draft, this.#described.listing);
  }
}
