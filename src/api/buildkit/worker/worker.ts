import type { MessageInitShape } from "@bufbuild/protobuf";
import { parseSelectors } from "../../../pattern/index.ts";
import type { PruneRequest } from "../../../record/index.ts";
import type { Daemon } from "../daemon.ts";
import type { GCPolicySchema, WorkerRecordSchema } from "../proto/gen/worker_pb.ts";
import { workerMessage } from "./facts.ts";

const NS_PER_MS = 1_000_000n;

async function workerRecord(daemon: Daemon): Promise<MessageInitShape<typeof WorkerRecordSchema>> {
  const devices = (await daemon.store.devices()).list();
  return await workerMessage(daemon.frontends.worker, daemon.policies.map(policyMessage), devices);
}

function policyMessage(policy: PruneRequest): MessageInitShape<typeof GCPolicySchema> {
  const { all = false, filters = [], keepDuration = 0, reservedSpace = 0, maxUsedSpace = 0, minFreeSpace = 0 } = policy;
  return {
    all,
    filters: [...filters],
    keepDuration: BigInt(Math.round(keepDuration)) * NS_PER_MS,
    reservedSpace: BigInt(reservedSpace),
    maxUsedSpace: BigInt(maxUsedSpace),
    minFreeSpace: BigInt(minFreeSpace),
  };
}

/** Returns the workers that match one of the filters: all of one, if there are none. */
export async function workers(
  daemon: Daemon,
  filters: readonly string[] = [],
): Promise<MessageInitShape<typeof WorkerRecordSchema>[]> {
  const worker = await workerRecord(daemon);
  const labels = new Map(Object.entries(worker.labels ?? {}));
  const matches = parseSelectors(filters)(([name, ...rest]) => {
    if (name === "id") return worker.id;
    return name === "labels" ? labels.get(rest.join(".")) : undefined;
  });
  return matches ? [worker] : [];
}
