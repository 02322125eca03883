import type { SourceFile } from "../../../../dockerfile/index.ts";
import type { TargetInfo } from "../../../../frontend/index.ts";
import { type SubrequestMetadata, base64, columns, locationJson, metadataOf, unlessEmpty } from "./metadata.ts";

/**
 * Returns the answer to `frontend.targets`.
 *
 * @see moby/buildkit frontend/subrequests/targets/targets.go
 */
export function targetsMetadata(targets: readonly TargetInfo[], source: SourceFile): SubrequestMetadata {
  const json = {
    targets: targets.map(({ name, isDefault, description, base, platform, range }) => ({
      name: unlessEmpty(name),
      default: isDefault ? true : undefined,
      description: unlessEmpty(description),
      base: unlessEmpty(base),
      platform: unlessEmpty(platform),
      location: locationJson(range),
    })),
    sources: [base64(source.text)],
  };
  const rows = targets.map(({ name, isDefault, description }) => [
    [name, ...(isDefault ? ["(default)"] : [])].filter((part) => part !== "").join(" "),
    description,
  ]);
  return metadataOf(json, "1.0.0", { text: columns([["TARGET", "DESCRIPTION"], ...rows], 1) });
}
