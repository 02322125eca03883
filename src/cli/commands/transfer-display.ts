import { digestOf } from "../../core/index.ts";
import type { OnTransfer } from "../../registry/index.ts";
import type { CommandContext } from "../command.ts";
import { openDisplay } from "../progress/display.ts";

export interface TransferDisplay extends Disposable {
  readonly onTransfer: OnTransfer;
}

/** Shows the transfers of one pull or push as a build's are shown: bars on a terminal, lines elsewhere. */
export function transferDisplay(name: string, quiet: boolean, { screen }: CommandContext): TransferDisplay {
  const display = openDisplay(quiet ? "quiet" : "auto", screen);
  const vertex = { kind: "vertex" as const, digest: digestOf(name), name, inputs: [] };
  const startedAt = Date.now();
  const started = new Map<string, number>();
  let open = true;
  display.event({ ...vertex, startedAt });
  return {
    onTransfer: ({ digest, current, total, state }) => {
      const began = started.get(digest) ?? Date.now();
      started.set(digest, began);
      const ended = state !== "waiting" && state !== "running" && state !== "retrying";
      display.event({
        kind: "status",
        vertex: vertex.digest,
        id: digest,
        current,
        total,
        startedAt: began,
        ...(ended ? { completedAt: Date.now() } : {}),
      });
    },
    [Symbol.dispose]: () => {
      if (!open) return;
      open = false;
      display.event({ ...vertex, startedAt, completedAt: Date.now() });
      display.finish();
    },
  };
}
