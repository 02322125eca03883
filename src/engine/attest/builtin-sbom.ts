import { Invocations, SBOM_NAME, SPDX_TYPE } from "../../attest/index.ts";
import type { Attestation, ExportPlatform, ExportSource } from "../../export/index.ts";
import type { RecordId } from "../../record/index.ts";
import { scanTree, spdxDocument } from "../../sbom/index.ts";
import type { Session } from "../session.ts";

const CREATOR = "Tool: varve";

/** Makes SBOMs without a generator, by looking for packages in the results of a build, and in what else was to be scanned. */
export class SbomMaker {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Returns a source whose platforms have an SBOM. Those that have one already are not changed. */
  attested(source: ExportSource): ExportSource {
    if (source.platforms.every(hasSbom)) return source;
    this.#session.progress.warn(
      "The default generator of SBOMs cannot be pulled: the SBOM has what the built-in one finds",
    );
    return { ...source, platforms: source.platforms.map((platform) => this.#withSbom(platform)) };
  }

  #withSbom(platform: ExportPlatform): ExportPlatform {
    const { record, attestations = [], scans = new Map<string, RecordId>() } = platform;
    if (hasSbom(platform)) return platform;
    const sorted = [...scans].sort(([a], [b]) => (a < b ? -1 : 1));
    const extras = sorted.map(([name, extra]) => this.#attestation(`${SBOM_NAME}-${name}`, extra));
    return { ...platform, attestations: [this.#attestation(SBOM_NAME, record), ...extras, ...attestations] };
  }

  #attestation(name: string, record: RecordId): Attestation {
    return {
      predicateType: SPDX_TYPE,
      content: { kind: "predicate", make: async () => Buffer.from(await this.#document(name, record)) },
      fileName: `${name}.spdx.json`,
      inlineOnly: false,
      coreName: SBOM_NAME,
    };
  }

  /** The same tree gives the same document: a later build gives it the time of the first. */
  async #document(name: string, record: RecordId): Promise<string> {
    const { store, hold } = this.#session;
    await using view = await store.records.mount(record, hold);
    const scan = await scanTree(view.path, hold);
    const key = spdxDocument(scan, { name, creator: CREATOR, created: "" });
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const { finishedOn } = new Invocations(store.state).of(key, { id: "", startedOn: now, finishedOn: now }, true);
    return spdxDocument(scan, { name, creator: CREATOR, created: finishedOn });
  }
}

function hasSbom({ attestations = [] }: ExportPlatform): boolean {
  return attestations.some(({ predicateType }) => predicateType === SPDX_TYPE);
}
