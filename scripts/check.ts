/** Format, lint, types, boundaries, dead code, generated code, the API snapshot and the documents, at the same time; prints what failed. */
import { spawn } from "node:child_process";

const CHECKS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ["format", "oxfmt", "--check"],
  ["lint", "oxlint", "--type-aware"],
  ["types", "tsc", "-p", ".", "--incremental", "--tsBuildInfoFile", ".cache/types.tsbuildinfo"],
  ["boundaries", "node", "--test", "test/architecture.test.ts"],
  ["dead code", "knip", "--no-progress"],
  ["protocol buffers", "node", "scripts/proto.ts", "--check"],
  ["API snapshot", "node", "scripts/api-snapshot.ts", "--check"],
  ["documents", "node", "scripts/docs.ts", "--check"],
];

async function run(command: string, args: readonly string[]): Promise<{ ok: boolean; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ ok: boolean; output: string }>();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.on("error", (error) => resolve({ ok: false, output: error.message }));
  child.on("close", (code) => resolve({ ok: code === 0, output }));
  return await promise;
}

const results = await Promise.all(
  CHECKS.map(async ([name, command, ...args]) => {
    const started = performance.now();
    return { name, ...(await run(command, args)), seconds: (performance.now() - started) / 1000 };
  }),
);
for (const { name, ok, output, seconds } of results) {
  console.log(`${ok ? "ok  " : "FAIL"} ${name} (${seconds.toFixed(1)} s)`);
  if (!ok) console.log(output);
}
process.exitCode = results.every((result) => result.ok) ? 0 : 1;
