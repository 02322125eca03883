import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** What a client printed with `--progress=plain` of one vertex. */
export interface PrintedVertex {
  readonly name: string;
  readonly lines: readonly string[];
}

/** Returns the vertices of plain progress by their numbers. */
export function printedVertices(text: string): PrintedVertex[] {
  const byNumber = new Map<string, { name: string; lines: string[] }>();
  for (const [, number = "", line = ""] of text.matchAll(/^#(\d+) (.*)$/gm)) {
    if (number === "0") continue;
    const known = byNumber.get(number);
    if (known === undefined) byNumber.set(number, { name: line, lines: [] });
    else if (line !== known.name && line !== "...") known.lines.push(line);
  }
  return [...byNumber.values()];
}

/** Returns the names of the vertices whose end was not printed. */
export function unfinished(text: string): string[] {
  const ends = /^(?:DONE|CACHED|CANCELED|ERROR)\b/;
  return printedVertices(text)
    .filter(({ lines }) => !lines.some((line) => ends.test(line)))
    .map(({ name }) => name);
}

/** Returns what was printed of the vertex whose name contains a text. */
export function printedOf(text: string, part: string): string {
  const found = printedVertices(text).find(({ name }) => name.includes(part));
  if (found === undefined) throw new Error(`no step ${part} was printed:\n${text}`);
  return found.lines.join("\n");
}

/** Waits until a client prints a line of a step's output. Throws with all that it printed if it ends before. */
export async function untilPrinted(client: ChildProcess, line: string): Promise<void> {
  await untilMatched(client, new RegExp(`^#\\d+ [\\d.]+ ${line}$`, "m"));
}

/** Waits until what a process has printed to standard error matches. Throws with all that it printed if it ends before. */
export async function untilMatched(client: ChildProcess, wanted: RegExp): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let printed = "";
  client.stderr?.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
    if (wanted.test(printed)) resolve();
  });
  const ended = once(client, "exit").then(() => Promise.reject(new Error(`it ended:\n${printed}`)));
  await Promise.race([promise, ended]);
}
