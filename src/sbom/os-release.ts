import { lines } from "./fields.ts";
import type { Distribution } from "./package.ts";

/** Where the file is; the first that exists counts. */
export const OS_RELEASE_PATHS = ["etc/os-release", "usr/lib/os-release"] as const;

/** Reads an `os-release` file. */
export function readOsRelease(text: string): Distribution {
  const values = new Map<string, string>();
  for (const line of lines(text)) {
    const [, name, quoted = ""] = /^([A-Z_]+)=(.*)$/.exec(line.trim()) ?? [];
    if (name !== undefined) values.set(name, quoted.replace(/^(["'])(.*)\1$/, "$2"));
  }
  return { id: values.get("ID") ?? "", version: values.get("VERSION_ID") ?? "" };
}
