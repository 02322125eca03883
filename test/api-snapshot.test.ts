import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Declarations } from "../scripts/lib/declarations.ts";
import { temporaryDirectory } from "../src/io/index.ts";

type Files = Readonly<Record<string, string>>;

/** Reads `index.d.ts` in a folder that holds these files. */
async function readIn<T>(files: Files, read: (index: string) => T): Promise<T> {
  await using directory = await temporaryDirectory("varve-declarations-");
  await mkdir(join(directory.path, "nested"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory.path, name), text);
  return read(join(directory.path, "index.d.ts"));
}

async function exportsOf(files: Files): Promise<Record<string, readonly string[]>> {
  return await readIn(files, (index) => Object.fromEntries(new Declarations().exportsOf(index)));
}

/** Names of the missing types, each with the export that needs it. */
async function missingFrom(files: Files): Promise<Record<string, string>> {
  const missing = await readIn(files, (index) => new Declarations().missingFrom(index));
  return Object.fromEntries(Array.from(missing, ([type, name]) => [type.replace(/ .*/, ""), name]));
}

test("follows names from file to file, whatever way they take", async () => {
  const names = await exportsOf({
    "index.d.ts": `
      import { type Deep, deep as inner } from "./nested/deep.ts";
      import * as all from "./nested/deep.ts";
      export * from "./star.ts";
      export { inner as renamed, type Deep };
      export { own as mine };
      export type { Shape } from "./star.ts";
      export { all };
      declare function own(): void;
      export declare class Open { #private; }
    `,
    "star.d.ts": `export interface Shape { readonly a: 1 }\nexport declare const star: number;\nexport * from "./nested/deep.ts";`,
    "nested/deep.d.ts": `export type Deep = "deep";\nexport declare function deep(a: string): void;\nexport declare function deep(a: number): void;`,
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

test("finds types of signatures that are not exported, wherever they are declared", async () => {
  const files = {
    "nested/types.d.ts": `
      export interface Base { readonly a: 1 }
      export interface Options extends Base { readonly own: Local }
      interface Local { readonly b: Buffer }
      export declare class Parent {}
      export declare const LIST: readonly [1];`,
    "index.d.ts": `
      import type { Stats } from "node:fs";
      import type { Base, Options, Parent } from "./nested/types.ts";
      import * as all from "./nested/types.ts";
      export declare function run<T extends Base>(each: T, options: Options): Promise<Map<string, Stats>>;
      export declare class Child extends all.Parent { #private; }
      export type Item = (typeof all.LIST)[number];`,
  };
  assert.deepEqual(await missingFrom(files), { Base: "run", LIST: "Item", Options: "run", Parent: "Child" });
  const index = `${files["index.d.ts"]}\nexport { LIST, type Base, type Options, Parent } from "./nested/types.ts";`;
  assert.deepEqual(await missingFrom({ ...files, "index.d.ts": index }), { Local: "Options" });
});
