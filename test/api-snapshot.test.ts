import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Declarations } from "../scripts/lib/declarations.ts";
import { temporaryDirectory } from "../src/io/index.ts";

async function exportsOf(files: Readonly<Record<string, string>>): Promise<Record<string, readonly string[]>> {
  await using directory = await temporaryDirectory("varve-declarations-");
  await mkdir(join(directory.path, "room"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory.path, name), text);
  return Object.fromEntries(new Declarations().exportsOf(join(directory.path, "index.d.ts")));
}

test("follows names from file to file, whatever way they take", async () => {
  const names = await exportsOf({
    "index.d.ts": `
      import { type Deep, deep as inner } from "./room/deep.ts";
      import * as all from "./room/deep.ts";
      export * from "./star.ts";
      export { inner as renamed, type Deep };
      export { own as mine };
      export type { Shape } from "./star.ts";
      export { all };
      declare function own(): void;
      export declare class Open { #private; }
    `,
    "star.d.ts": `export interface Shape { readonly a: 1 }\nexport declare const star: number;\nexport * from "./room/deep.ts";`,
    "room/deep.d.ts": `export type Deep = "deep";\nexport declare function deep(a: string): void;\nexport declare function deep(a: number): void;`,
  });
  assert.deepEqual(names, {
    Deep: ['type Deep = "deep";'],
    Open: ["declare class Open { #private; }"],
    Shape: ["interface Shape { readonly a: 1 }"],
    all: ["export * as all of Deep, deep"],
    deep: ["declare function deep(a: string): void;", "declare function deep(a: number): void;"],
    mine: ["declare function own(): void;"],
    renamed: ["declare function deep(a: string): void;", "declare function deep(a: number): void;"],
    star: ["declare const star: number;"],
  });
});

test("comments are no part of the API", async () => {
  const names = await exportsOf({
    "index.d.ts": "export interface A {\n  /** One. */\n  readonly a: 1;\n  // two\n  readonly b: 2;\n}\n",
  });
  assert.deepEqual(names, { A: ["interface A {\n  readonly a: 1;\n  readonly b: 2;\n}"] });
});

test("a name that leads nowhere is an error, not an empty API", async () => {
  await assert.rejects(exportsOf({ "index.d.ts": "export { gone };" }), /exports gone, which is declared nowhere/);
});
