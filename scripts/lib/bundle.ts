import { readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { type BuildOptions, type Plugin, build } from "esbuild";

const URL_OF_MODULE = /\bimport\.meta\.url\b/g;

/** What all bundles have in common. */
export const COMMON: BuildOptions = {
  bundle: true,
  platform: "node",
  target: "node24",
  legalComments: "none",
  minifyWhitespace: true,
  logLevel: "warning",
};

/**
 * Bundles the programs of the package, because Node needs longer to load hundreds of modules than a cached build takes. `modules` is the
 * folder of all compiled modules. The command becomes CommonJS files, which Node loads faster than ES modules: `main.cjs`, whose
 * modules run when they are first needed, `forward.cjs`, which only hands a command line to a running server, and `enter.cjs`, which runs
 * the command line of an ordinary user in a user namespace. The programs of threads and
 * of steps in a chroot replace their own compiled modules.
 */
export async function bundlePrograms(modules: string, folder: string): Promise<void> {
  const command = {
    ...COMMON,
    packages: "external",
    format: "cjs",
    outdir: folder,
    outExtension: { ".js": ".cjs" },
  } as const;
  const cli = (path: string): string => join(modules, "cli", path);
  const entryPoints = { main: cli("main.js"), forward: cli("forward/client.js"), enter: cli("enter.js") };
  await build({ ...command, entryPoints, plugins: [ownUrls(resolve(folder))] });
  for (const path of ["layer/worker/thread.js", "exec/chroot/step.js"]) {
    const program = join(modules, path);
    await build({
      ...COMMON,
      packages: "external",
      format: "esm",
      entryPoints: [program],
      outfile: program,
      allowOverwrite: true,
    });
  }
}

/** Lets a module find files by its URL as if it were not bundled. All bundled files are in `folder` itself. */
function ownUrls(folder: string): Plugin {
  const own = 'require("node:url").pathToFileURL(__filename)';
  return {
    name: "own-urls",
    setup: (bundle) =>
      bundle.onLoad({ filter: /\.js$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        if (!text.includes("import.meta.url")) return undefined;
        const url = `new URL(${JSON.stringify(relative(folder, path))}, ${own}).href`;
        return { contents: text.replaceAll(URL_OF_MODULE, url), resolveDir: dirname(path), loader: "js" };
      }),
  };
}
