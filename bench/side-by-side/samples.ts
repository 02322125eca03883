import { mkdir, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fillWithLarge, fillWithSmall } from "../layer-samples.ts";
import type { Bench } from "./row.ts";

export const TWELVE = `ENV A=1 B=2
LABEL one=1
ARG C=3
WORKDIR /app
COPY package.json .
RUN mkdir deps && echo done > deps/done
COPY src src
RUN ls src > list
EXPOSE 80
USER nobody
CMD ["cat", "list"]
`;

/** Twelve steps with `count` small files. */
export async function twelveSteps({ varve, base }: Bench, count: number): Promise<string> {
  return await withFiles(`twelve-${count}`, `FROM ${base}\n${TWELVE}`, count, varve);
}

/** `steps` cheap instructions and `count` small files. */
export async function growing({ varve, base }: Bench, steps: number, count: number): Promise<string> {
  const runs = Array.from({ length: steps }, (_, step) => `RUN : ${step}\n`).join("");
  return await withFiles(`growing-${steps}-${count}`, `FROM ${base}\nCOPY src /src\n${runs}`, count, varve);
}

async function withFiles(name: string, dockerfile: string, count: number, varve: Bench["varve"]): Promise<string> {
  const files: Record<string, string> = { Dockerfile: dockerfile, "package.json": "{}" };
  for (let i = 0; i < count; i += 1) files[`src/${i % 100}/file-${i}.txt`] = `file ${i}\n`.repeat(40);
  return await varve.files(name, files);
}

export async function dockerfile({ varve }: Bench, name: string, text: string): Promise<string> {
  return await varve.files(name, { Dockerfile: text });
}

/** 10,000 small files in `src`. */
export async function smallFiles({ varve }: Bench, name: string, text: string): Promise<string> {
  const folder = await varve.files(name, { Dockerfile: text, "src/": "" });
  await fillWithSmall(join(folder, "src"));
  return folder;
}

const largeContexts = new WeakMap<Bench, Promise<string>>();

/** A COPY of 576 MiB of text in nine large files, and 10,000 small ones. It is made once. */
export async function largeContext(bench: Bench): Promise<string> {
  const made = largeContexts.get(bench) ?? makeLargeContext(bench);
  largeContexts.set(bench, made);
  return await made;
}

async function makeLargeContext({ varve, base }: Bench): Promise<string> {
  const folder = await varve.files("large-context", { Dockerfile: `FROM ${base}\nCOPY data /data\n` });
  await mkdir(join(folder, "data/small"), { recursive: true });
  await fillWithLarge(join(folder, "data"), 9);
  await fillWithSmall(join(folder, "data/small"));
  return folder;
}

/** Six layers of 50 MiB that do not compress. */
export async function randomLayers({ varve, base }: Bench): Promise<string> {
  const names = Array.from({ length: 6 }, (_, at) => `random-${at}`);
  const copies = names.map((name) => `COPY ${name} /${name}\n`).join("");
  const folder = await varve.files("random-layers", { Dockerfile: `FROM ${base}\n${copies}` });
  for (const name of names) await writeFile(join(folder, name), randomBytes(50 * 2 ** 20));
  return folder;
}
