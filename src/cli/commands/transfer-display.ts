import { transferStatuses } from "../../engine/index.ts";
import { digestOf } from "../../core/index.ts";
import { type OnWait, describeWait } from "../../io/index.ts";
import type { OnTransfer } from "../../registry/index.ts";
import type { CommandContext } from "../command.ts";
import { openDisplay } from "../progress/open-display.ts";

export interface TransferDisplay extends Disposable {
  readonly onTransfer: OnTransfer;
  readonly onWait: OnWait;
}

/** Shows the transfers of a pull or push in the same way as those of a build: bars on a terminal, lines otherwise. */
export function transferDisplay(name: string, quiet: boolean, { screen }: CommandContext): TransferDisplay {
  const display = openDisplay(quiet ? "quiet" : "auto", screen);
  const vertex = { kind: "vertex" as const, digest: digestOf(name), name, inputs: [] };
  const startedAt = Date.now();
  const status = transferStatuses();
  let open = true;
  display.event({ ...vertex, startedAt });
  return {
    onTransfer: (event) => display.event({ kind: "status", vertex: vertex.digest, ...status(event) }),
    onWait: (wait) => {
      const data = Buffer.from(`${describeWait(wait)}\n`);
      display.event({ kind: "log", vertex: vertex.digest, stream: 2, data, at: Date.now() });
    },
    [Symbol.dispose]: () => {
      if (!open) return;
      open = false;
      display.event({ ...vertex, startedAt, completedAt: Date.now() });
      display.finish();
    },
  };
}
