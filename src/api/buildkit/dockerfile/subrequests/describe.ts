import { type SubrequestMetadata, columns, metadataOf } from "./metadata.ts";

interface Described {
  readonly name: string;
  readonly description: string;
  readonly opts: readonly Named[] | null;
}

interface Named {
  readonly name: string;
  readonly description: string;
}

const VERSION = "1.0.0";

/** The requests that BuildKit's front end lists; it knows two more. */
const REQUESTS: readonly Described[] = [
  {
    name: "frontend.outline",
    description: "List all parameters current build target supports",
    opts: [{ name: "target", description: "Target build stage" }],
  },
  { name: "frontend.targets", description: "List all targets current build supports", opts: [] },
  { name: "frontend.subrequests.describe", description: "List available subrequest types", opts: null },
];

const METADATA: readonly Named[] = ["result.json", "result.txt"].map((name) => ({ name, description: "" }));

/** Lists subrequests. */
export function describeMetadata(): SubrequestMetadata {
  const json = REQUESTS.map(({ name, description, opts }) => ({
    name,
    version: VERSION,
    type: "rpc",
    description,
    opts: opts?.map((opt) => ({ ...opt })) ?? null,
    inputs: null,
    metadata: METADATA.map((item) => ({ ...item })),
    refs: null,
  }));
  const rows = REQUESTS.map(({ name, description }) => [name.replace(/^frontend\./, ""), VERSION, description]);
  return metadataOf(json, VERSION, { text: columns([["NAME", "VERSION", "DESCRIPTION"], ...rows], 1) });
}
