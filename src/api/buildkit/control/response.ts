import type { CacheReport, ExportReport } from "../../../engine/index.ts";
import type { FrontendResult } from "../result/result.ts";

/** What the exporters of a build answer: text by key. Values of image exporters that are not text are JSON in base64. */
export type ExporterResponse = Readonly<Record<string, string>>;

/** Metadata of a result that clients receive. */
const FRONTEND_PREFIX = "frontend.";

/** Returns the response of a build. */
export function responseOf(
  { metadata }: FrontendResult,
  exported: ExportReport | undefined,
  caches: readonly CacheReport[],
): ExporterResponse {
  const written = caches.find(({ descriptor }) => descriptor !== undefined);
  return {
    ...textsOf(exported?.metadata ?? {}),
    ...(written === undefined ? {} : { "cache.manifest": JSON.stringify(written.descriptor) }),
    ...Object.fromEntries(
      [...metadata].flatMap(([key, value]) =>
        key.startsWith(FRONTEND_PREFIX) ? [[key, Buffer.from(value).toString()]] : [],
      ),
    ),
  };
}

function textsOf(metadata: Readonly<Record<string, unknown>>): Record<string, string> {
  const known = Object.entries(metadata).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known.map(([key, value]) => [key, typeof value === "string" ? value : json(value)]));
}

function json(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64");
}
