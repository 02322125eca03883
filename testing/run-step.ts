/** Runs one step until it is killed: `run-step.ts <runtime> <stateDir> <rootfs> <script> [NAME=value…]`; for tests that kill it. */
import { createChrootRunner, createRunner, findRuntime, type RuntimeName } from "../src/exec/index.ts";

const [runtime = "crun", stateDir = "", rootfs = "", script = "", ...env] = process.argv.slice(2);
const runner =
  runtime === "chroot"
    ? await createChrootRunner({ stateDir })
    : await createRunner({ stateDir, runtime: await findRuntime([runtime as RuntimeName]) });
await runner.run({
  rootfs,
  mounts: [
    { kind: "tmpfs", target: "/scratch" },
    { kind: "secret", target: "/run/secrets/key", content: Buffer.from("sesame") },
  ],
  process: { args: ["sh", "-c", script], env: ["PATH=/bin", ...env], cwd: "/", user: "" },
  onOutput: (stream, chunk) => void (stream === 1 ? process.stdout : process.stderr).write(chunk),
});
