import { type StoreVerification, verifyStore } from "../../doctor/index.ts";
import { digestOf } from "../../core/index.ts";
import type { CommandContext } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { openDisplay } from "../progress/open-display.ts";
import { printableJson, printableLine } from "../printable.ts";
import { humanSize } from "../values.ts";
import { storeOf } from "./common.ts";

/** Reads every blob of the store and prints which are damaged or missing. Returns exit code 5 if an image lacks a blob. */
export async function verify(context: CommandContext, json: boolean): Promise<number> {
  await using store = await storeOf(context);
  const report = await withProgress(context, json, (onProgress) =>
    verifyStore(store, { signal: context.signal, onProgress }),
  );
  await context.stdout.write(json ? `${printableJson(report)}\n` : describe(report));
  return report.ready ? ExitCode.done : ExitCode.machine;
}

type OnProgress = NonNullable<Parameters<typeof verifyStore>[1]>["onProgress"];

/** Shows progress: a bar on a terminal, lines otherwise. */
async function withProgress<T>(
  { screen }: CommandContext,
  json: boolean,
  work: (on: OnProgress) => Promise<T>,
): Promise<T> {
  const display = openDisplay(json ? "quiet" : "auto", screen);
  const name = "verifying the store";
  const vertex = { kind: "vertex" as const, digest: digestOf(name), name, inputs: [], startedAt: Date.now() };
  display.event(vertex);
  try {
    return await work(({ bytes, total }) => {
      const done = bytes >= total.bytes ? { completedAt: Date.now() } : {};
      const status = { kind: "status" as const, vertex: vertex.digest, id: "blobs", startedAt: vertex.startedAt };
      display.event({ ...status, current: bytes, total: total.bytes, ...done });
    });
  } finally {
    display.event({ ...vertex, completedAt: Date.now() });
    display.finish();
  }
}

function describe({ blobs, bytes, lost, ready }: StoreVerification): string {
  const lines = lost.flatMap(({ digest, state, images, records, fix }) => [
    `lost  ${digest}  ${state}`,
    ...(images.length === 0 ? [] : [`      images: ${images.join(", ")}`]),
    ...(records.length === 0 ? [] : [`      cached results: ${records.length}`]),
    `      To fix: ${fix}`,
  ]);
  const verdict =
    lost.length === 0 ? "No blob is damaged." : ready ? "No image is damaged." : "Some images are damaged.";
  lines.push(`${blobs} blobs, ${humanSize(bytes)}. ${verdict}`);
  return lines.map((line) => `${printableLine(line)}\n`).join("");
}
