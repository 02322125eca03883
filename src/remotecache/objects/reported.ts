import { type Bytes, counted } from "../../io/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { OnTransfer } from "../../registry/index.ts";

/** Makes bytes report how many of them were read. */
export type Reported = (bytes: Bytes) => Bytes;

/** Sends a blob to a place with this name, and reports its progress. `send` returns whether the blob was there already. */
export async function sendReported(
  { digest, size }: Pick<RemoteLayer, "digest" | "size">,
  name: string,
  onEvent: OnTransfer | undefined,
  send: (reported: Reported) => Promise<"exists" | "done">,
): Promise<void> {
  const { TransferReporter } = await import("../../registry/index.ts");
  const reporter = new TransferReporter(onEvent, { kind: "upload", digest, name, total: size });
  reporter.state("waiting", 0);
  try {
    const outcome = await send((bytes) => {
      let at = 0;
      return counted(bytes, (length) => {
        at += length;
        reporter.at(at);
      });
    });
    reporter.state(outcome, size);
  } catch (error) {
    reporter.state("failed");
    throw error;
  }
}
