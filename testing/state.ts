import { contentTables } from "../src/content/index.ts";
import { imageTables } from "../src/image/index.ts";
import { type Database, openState } from "../src/state/index.ts";

/** Opens a database with tables to try it on: those of the content store and of images. */
export function openTestState(path: string): Database {
  const state = openState(path);
  state.install(contentTables, imageTables);
  return state;
}
