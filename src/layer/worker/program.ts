import { extname } from "node:path";

/** The program of threads: a module, or the code of a CommonJS script. */
export type ThreadProgram =
  | { readonly kind: "module"; readonly url: URL }
  | { readonly kind: "code"; readonly code: string };

/** `thread.ts` in a checkout, `thread.js` in the published package. The single executable replaces this function. */
export function threadProgram(): ThreadProgram {
  return { kind: "module", url: new URL(`./thread${extname(import.meta.url)}`, import.meta.url) };
}
