import { readFileSync } from "node:fs";

/** Returns the version of this program, from its package.json. */
export function programVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this is the package's own file
  return (JSON.parse(text) as { version: string }).version;
}
