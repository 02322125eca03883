import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";

const [from, to] = process.argv.slice(2);
mkdirSync(to, { recursive: true });
for (const name of readdirSync(from)) {
  const code = stripTypeScriptTypes(readFileSync(join(from, name), "utf8"), { mode: "strip" });
  writeFileSync(join(to, name.replace(/\.ts$/, ".js")), code.replaceAll(/(from ")(\.[^"]+)\.ts"/g, '$1$2.js"'));
}
