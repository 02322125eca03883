import { readFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { type Plugin, build } from "esbuild";

const URL_OF_MODULE = /\bimport\.meta\.url\b/g;

/**
 * Writes the command's modules into few files, because Node needs longer to load hundreds of modules than a cached build takes. Modules
 * that commands import lazily stay apart. `entry` is the compiled module; the first file has its name.
 */
export async function bundleCommand(entry: string, folder: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outdir: folder,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    packages: "external",
    legalComments: "none",
    logLevel: "warning",
    plugins: [ownUrls(resolve(folder))],
  });
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
