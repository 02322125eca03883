import { readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { type BuildOptions, type Plugin, build } from "esbuild";

const URL_OF_MODULE = /\bimport\.meta\.url\b/g;

/**
 * Writes the command's modules into few files, because Node needs longer to load hundreds of modules than a cached build takes. Modules
 * that commands import lazily stay apart. `start.js`, which hands a command line to a running server, is one small file of its own and
 * imports `main.js` only if there is no server. `modules` is the folder of the compiled modules.
 */
export async function bundleCommand(modules: string, folder: string): Promise<void> {
  const options: BuildOptions = {
    outdir: folder,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    packages: "external",
    legalComments: "none",
    logLevel: "warning",
    plugins: [ownUrls(resolve(folder))],
  };
  await build({ ...options, entryPoints: [join(modules, "main.js")], splitting: true });
  await build({ ...options, entryPoints: [join(modules, "start.js")], external: ["./main.js"] });
}

/** Lets a module find files by its URL as if it were not bundled. All bundled files are in `folder` itself. */
function ownUrls(folder: string): Plugin {
  return {
    name: "own-urls",
    setup: (bundle) =>
      bundle.onLoad({ filter: /\.js$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        if (!text.includes("import.meta.url")) return undefined;
        const own = `new URL(${JSON.stringify(relative(folder, path))}, import.meta.url).href`;
        return { contents: text.replaceAll(URL_OF_MODULE, own), resolveDir: dirname(path), loader: "js" };
      }),
  };
}
