/** What this machine can do at best, beside which the times of builders are to be read. */
import { execFileSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism, release, totalmem } from "node:os";
import { join } from "node:path";
import { fillRootfs } from "../../testing/rootfs.ts";
import { findProgram } from "../../scripts/lib/system-packages.ts";
import { sh } from "../../testing/varve.ts";
import { fillWithLarge, fillWithSmall } from "../layer-samples.ts";
import { median } from "../measure.ts";
import { type Bench, type Work, roundsOf, timed } from "./row.ts";

/** Lines with the median of each limit. */
export async function machineLimits(bench: Bench): Promise<string> {
  const folder = join(bench.varve.folder, "machine");
  const works = await limitsOf(folder);
  const { values } = await timed("", roundsOf(bench, 5), works);
  await rm(folder, { recursive: true, force: true });
  const head = `Machine: ${availableParallelism()} processors, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
  const lines = [...values].map(([name, all]) => `  ${name.padEnd(42)} ${median(all).toFixed(0).padStart(7)} ms`);
  return [head, ...lines].join("\n");
}

async function limitsOf(folder: string): Promise<Work[]> {
  const [large, small, copy] = ["large", "small", "copy"].map((name) => join(folder, name)) as [string, string, string];
  await Promise.all([large, small].map((path) => mkdir(path, { recursive: true })));
  await fillWithLarge(large, 4);
  await fillWithSmall(small);
  const shell = (command: string) => () => sh("sh", "-c", command);
  const works: (Work & { readonly needs: string })[] = [
    { name: "node starts and ends", needs: "node", run: () => sh(process.execPath, "-e", "0") },
    { name: "tar of 256 MiB through pigz", needs: "pigz", run: shell(`tar cC ${large} . | pigz > /dev/null`) },
    {
      name: "cp -a of 10,000 small files",
      needs: "cp",
      prepare: () => rm(copy, { recursive: true, force: true }),
      run: () => sh("cp", "-a", small, copy),
    },
    { name: "SHA-256 of 256 MiB", needs: "sha256sum", run: shell(`cat ${large}/* | sha256sum`) },
  ];
  if (findProgram("crun") !== undefined)
    works.push({ name: "crun runs true", needs: "unshare", run: await crun(folder) });
  return works.filter(({ needs }) => needs === "node" || findProgram(needs) !== undefined);
}

/** A container of the runtime's own example configuration. */
async function crun(folder: string): Promise<() => Promise<string>> {
  const bundle = join(folder, "bundle");
  await mkdir(join(bundle, "rootfs"), { recursive: true });
  fillRootfs(join(bundle, "rootfs"));
  execFileSync("crun", ["spec"], { cwd: bundle });
  const edit = `sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"true"/' config.json`;
  execFileSync("sh", ["-c", edit], { cwd: bundle });
  // Debian's crun refuses the hybrid layout of control groups.
  const script = `umount -l /sys/fs/cgroup/unified 2> /dev/null; exec crun --root ${folder}/state --cgroup-manager=disabled run --bundle ${bundle} bench`;
  await writeFile(join(folder, "crun.sh"), script);
  return () => sh("unshare", "--mount", "sh", join(folder, "crun.sh"));
}
