import type { SourceFile } from "../../../../dockerfile/index.ts";
import type { Outline, OutlineMount } from "../../../../frontend/index.ts";
import type { OrderedJson } from "../../../../core/index.ts";
import {
  type SubrequestMetadata,
  base64,
  columns,
  locationJson,
  metadataOf,
  unlessEmpty,
  unlessNone,
} from "./metadata.ts";

/**
 * Returns the answer to `frontend.outline`.
 *
 * @see moby/buildkit frontend/subrequests/outline/outline.go
 */
export function outlineMetadata(outline: Outline, source: SourceFile): SubrequestMetadata {
  const { name, description, args, secrets, ssh } = outline;
  const json = {
    name: unlessEmpty(name),
    description: unlessEmpty(description),
    args: unlessNone(
      args.map((arg) => ({
        name: arg.name,
        description: unlessEmpty(arg.description),
        value: unlessEmpty(arg.value),
        location: locationJson(arg.range),
      })),
    ),
    secrets: unlessNone(secrets.map(mountJson)),
    ssh: unlessNone(ssh.map(mountJson)),
    sources: [base64(source.text)],
  };
  return metadataOf(json, "1.0.0", { text: outlineText(outline) });
}

function mountJson({ name, required, range }: OutlineMount): OrderedJson {
  return { name, required: required ? true : undefined, location: locationJson(range) };
}

function outlineText({ name, description, args, secrets, ssh }: Outline): string {
  const title = [
    ["TARGET:", name === "" ? "(default)" : name],
    ...(description === "" ? [] : [["DESCRIPTION:", description]]),
  ];
  const mounts = (items: readonly OutlineMount[]): string[][] =>
    items.map((item) => [item.name, item.required ? "true" : ""]);
  return [
    name === "" && description === "" ? "" : `${columns(title, 1)}\n`,
    table(
      ["BUILD ARG", "VALUE", "DESCRIPTION"],
      args.map((arg) => [arg.name, arg.value ?? "", arg.description]),
    ),
    table(["SECRET", "REQUIRED"], mounts(secrets)),
    table(["SSH", "REQUIRED"], mounts(ssh)),
  ].join("");
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? "" : `${columns([titles, ...rows], 3)}\n`;
}
