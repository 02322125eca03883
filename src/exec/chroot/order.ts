import { type JsonObject, parseJson } from "../../core/index.ts";
import type { ProcessLimit } from "../../linux/index.ts";

/** What becomes the first process of a step. */
export interface StepOrder {
  /** Path of the root filesystem. */
  readonly rootfs: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Absolute in the root filesystem. */
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Numbers of the capabilities that any process of the step can have. */
  readonly capabilities: readonly number[];
  readonly limits: readonly ProcessLimit[];
  /** By no_new_privs and Landlock, where the kernel has it. */
  readonly confined: boolean;
}

/** Why a process could not be started. `refused`: this machine does not allow what has to be done before. */
export interface StartFailure {
  readonly kind: "failed";
  readonly stage: "exec" | "directory" | "refused";
  /** Of the system: "ENOENT: no such file or directory". */
  readonly message: string;
}

/** What a supervisor says, once, when all processes of the step are gone. */
export type StepReport =
  /** The first process has ended: by a signal if `signal` is not null. */
  { readonly kind: "ended"; readonly code: number | null; readonly signal: NodeJS.Signals | null } | StartFailure;

/** Descriptors of a supervisor: its control socket, and what become the step's standard streams. */
export const CONTROL = 3;
export const STEP_STREAMS = [4, 5, 6] as const;
/** Descriptor on which what becomes the first process gets its order, and says why it fails. */
export const ORDERS = 3;

/** Reads an order, which the runner has written. */
export function readOrder(line: string): StepOrder {
  const order = parseJson(line, "the order of a step").requiredObject();
  const text = (key: string): string => order.string(key) ?? "";
  const number = (key: string): number => order.integer(key) ?? 0;
  return {
    rootfs: text("rootfs"),
    args: order.strings("args") ?? [],
    env: order.strings("env") ?? [],
    cwd: text("cwd"),
    uid: number("uid"),
    gid: number("gid"),
    groups: integers(order, "groups"),
    capabilities: integers(order, "capabilities"),
    limits: order.objects("limits").map((limit) => ({
      name: limit.string("name") ?? "",
      soft: limit.integer("soft") ?? 0,
      hard: limit.integer("hard") ?? 0,
    })),
    confined: order.boolean("confined") === true,
  };
}

function integers(order: JsonObject, key: string): number[] {
  return order.field(key).list((item) => item.integer() ?? 0) ?? [];
}
