import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { diskUsage as usageOf, prune as pruneStore } from "../../../caches/index.ts";
import type { RecordUsage } from "../../../record/index.ts";
import type { Daemon } from "../daemon.ts";
import type { DiskUsageRequest, PruneRequest, UsageRecordSchema } from "../proto/gen/control_pb.ts";

type UsageMessage = MessageInitShape<typeof UsageRecordSchema>;

const NS_PER_MS = 1_000_000n;

/** Returns the records that match one of the filters and were not used within the age limit. */
export async function diskUsage(
  { filter: filters, ageLimit }: DiskUsageRequest,
  { store }: Daemon,
  signal: AbortSignal,
): Promise<UsageMessage[]> {
  const usages = await usageOf(store, { filters, ageLimit: Number(ageLimit / NS_PER_MS), signal });
  return usages.map(message);
}

/** Removes records, and yields each of them as soon as it was removed. */
export async function* prune(
  request: PruneRequest,
  { store }: Daemon,
  signal: AbortSignal,
): AsyncGenerator<UsageMessage> {
  const reported = reports<RecordUsage>(async (onRemoved) => {
    await pruneStore(store, pruneRequest(request), { signal, onRemoved });
  });
  for await (const usage of reported) yield message(usage);
}

/** Yields what `work` reports while it runs, and throws what it throws. */
async function* reports<T>(work: (report: (item: T) => void) => Promise<void>): AsyncGenerator<T> {
  const waiting: T[] = [];
  const state = { isRunning: true, wake: (): void => undefined };
  const working = work((item) => {
    waiting.push(item);
    state.wake();
  }).finally(() => {
    state.isRunning = false;
    state.wake();
  });
  working.catch(() => undefined);
  while (state.isRunning || waiting.length > 0) {
    const changed = Promise.withResolvers<void>();
    state.wake = changed.resolve;
    yield* waiting.splice(0);
    if (state.isRunning && waiting.length === 0) await changed.promise;
  }
  await working;
}

function pruneRequest(request: PruneRequest): Parameters<typeof pruneStore>[1] {
  return {
    filters: request.filter,
    all: request.all,
    keepDuration: Number(request.keepDuration / NS_PER_MS),
    reservedSpace: Number(request.reservedSpace),
    maxUsedSpace: Number(request.maxUsedSpace),
    minFreeSpace: Number(request.minFreeSpace),
  };
}

function message(usage: RecordUsage): UsageMessage {
  const { id, mutable, inUse, size, createdAt, lastUsedAt, usageCount, description, recordType, shared, parents } =
    usage;
  return {
    id,
    mutable,
    inUse,
    size: BigInt(size),
    createdAt: timestampFromMs(createdAt),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: timestampFromMs(lastUsedAt) }),
    usageCount: BigInt(usageCount),
    description,
    recordType,
    shared,
    parents: [...parents],
  };
}
