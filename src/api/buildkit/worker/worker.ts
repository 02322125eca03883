import type { MessageInitShape } from "@bufbuild/protobuf";
import { hostname } from "node:os";
import { parseSelectors } from "../../../pattern/index.ts";
import type { PruneRequest } from "../../../record/index.ts";
import type { Daemon } from "../daemon.ts";
import type { GCPolicySchema, WorkerRecordSchema } from "../proto/gen/worker_pb.ts";
import { platformMessage } from "./platform-message.ts";
import { buildkitVersion } from "./version.ts";

const NS_PER_MS = 1_000_000n;

/** Prefix of the labels of workers. */
const LABEL = "org.mobyproject.buildkit.worker.";

/** Returns the only worker of this server. Its first platform is the one that builds are for by default. */
function workerRecord(daemon: Daemon): MessageInitShape<typeof WorkerRecordSchema> {
  return {
    id: daemon.workerId,
    labels: {
      [`${LABEL}executor`]: "oci",
      [`${LABEL}hostname`]: hostname(),
      [`${LABEL}network`]: "host",
      [`${LABEL}oci.process-mode`]: "sandbox",
      [`${LABEL}selinux.enabled`]: "false",
      [`${LABEL}snapshotter`]: daemon.store.snapshotter.stacksMerges ? "overlayfs" : "native",
      ...daemon.labels,
    },
    platforms: daemon.platforms.map(platformMessage),
    gcPolicy: daemon.policies.map(policyMessage),
    buildkitVersion: buildkitVersion(),
  };
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
export function workers(
  daemon: Daemon,
  filters: readonly string[] = [],
): MessageInitShape<typeof WorkerRecordSchema>[] {
  const worker = workerRecord(daemon);
  const labels = new Map(Object.entries(worker.labels ?? {}));
  const matches = parseSelectors(filters)(([name, ...rest]) => {
    if (name === "id") return worker.id;
    return name === "labels" ? labels.get(rest.join(".")) : undefined;
  });
  return matches ? [worker] : [];
}
