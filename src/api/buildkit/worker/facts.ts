import type { MessageInitShape } from "@bufbuild/protobuf";
import { hostname } from "node:os";
import type { RegisteredDevice } from "../../../cdi/index.ts";
import type { Platform } from "../../../core/index.ts";
import type { Store } from "../../../engine/index.ts";
import type { GCPolicySchema, WorkerRecordSchema } from "../proto/gen/worker_pb.ts";
import { platformMessage } from "./platform-message.ts";
import { buildkitVersion } from "./version.ts";

/** Prefix of the labels of workers. */
const LABEL = "org.mobyproject.buildkit.worker.";

/** What a worker is, as front ends and clients see it. */
export interface WorkerFacts {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Returns the platforms whose programs steps run, the default one first. Found when somebody asks. */
  readonly platforms: () => Promise<readonly Platform[]>;
}

/** What this machine runs, natively and by emulators. */
export async function machinePlatforms(): Promise<readonly Platform[]> {
  const { machineEmulation } = await import("../../../emulation/index.ts");
  return await machineEmulation().platforms();
}

/** Returns the only worker of a store. `network` is how its steps are connected. Its first platform is the one that builds are for by default. */
export function workerFacts(
  { snapshotter }: Pick<Store, "snapshotter">,
  { id, labels, platforms }: WorkerFacts,
  network: "host" | "bridge" | "cni" | "none" = "host",
): WorkerFacts {
  return {
    id,
    labels: {
      [`${LABEL}executor`]: "oci",
      [`${LABEL}hostname`]: hostname(),
      // BuildKit's bridge is one of plugins.
      [`${LABEL}network`]: network === "bridge" ? "cni" : network,
      [`${LABEL}oci.process-mode`]: "sandbox",
      [`${LABEL}selinux.enabled`]: "false",
      [`${LABEL}snapshotter`]: snapshotter.stacksMerges ? "overlayfs" : "native",
      ...labels,
    },
    platforms,
  };
}

/** Returns a worker as clients get it. `gcPolicy` says what is collected, `devices` what steps may be given. */
export async function workerMessage(
  { id, labels, platforms }: WorkerFacts,
  gcPolicy: readonly MessageInitShape<typeof GCPolicySchema>[] = [],
  devices: readonly RegisteredDevice[] = [],
): Promise<MessageInitShape<typeof WorkerRecordSchema>> {
  return {
    id,
    labels: { ...labels },
    platforms: (await platforms()).map(platformMessage),
    gcPolicy: [...gcPolicy],
    cdiDevices: devices.map(({ name, autoAllow, annotations }) => ({
      name,
      autoAllow,
      annotations: Object.fromEntries(annotations),
    })),
    buildkitVersion: buildkitVersion(),
  };
}
