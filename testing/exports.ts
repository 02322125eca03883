import { type TemporaryRecords, temporaryRecords } from "./records.ts";
import { type Platform, parseReference, withDefaultTag } from "../src/core/index.ts";
import type { ExportDeps, ExportSource } from "../src/export/index.ts";
import { ImageStore } from "../src/image/index.ts";
import type { RecordId } from "../src/record/index.ts";
import { Registry } from "../src/registry/index.ts";

export const AMD64: Platform = { os: "linux", architecture: "amd64" };
export const ARM64: Platform = { os: "linux", architecture: "arm64" };

/** What exporters work with, over a root of its own; warnings are kept. */
export interface ExportFixture extends AsyncDisposable {
  readonly fixture: TemporaryRecords;
  readonly deps: ExportDeps & { readonly images: ImageStore };
  readonly warnings: string[];
}

export async function exportFixture(): Promise<ExportFixture> {
  await using stack = new AsyncDisposableStack();
  const fixture = stack.use(await temporaryRecords());
  const registry = stack.use(new Registry({}));
  const warnings: string[] = [];
  const { content, records, hold, state } = fixture;
  const owned = stack.move();
  return {
    fixture,
    warnings,
    deps: {
      content,
      records,
      registry: () => Promise.resolve(registry),
      hold,
      images: new ImageStore(state),
      part: async (_id, work) => await work(),
      warn: (message) => void warnings.push(message),
      onTransfer: () => undefined,
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A result of one platform for each record, in the order amd64, arm64. */
export function sourceOf(
  records: readonly RecordId[],
  more: Partial<ExportSource> & { config?: object; base?: object; tags?: string[] } = {},
): ExportSource {
  const { config, base, tags = [], ...rest } = more;
  const json = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));
  return {
    platforms: records.map((record, index) => ({
      platform: index === 0 ? AMD64 : ARM64,
      record,
      ...(config === undefined ? {} : { config: json(config) }),
      ...(base === undefined ? {} : { base: json(base) }),
    })),
    multi: records.length > 1,
    names: tags.map((tag) => withDefaultTag(parseReference(tag))),
    epoch: undefined,
    ...rest,
  };
}
