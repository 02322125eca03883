import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type AptAccess, aptAccess, debianArchive } from "../../testing/debian-base.ts";
import { type Dockerd, dockerdMissing, startDockerd } from "../../testing/dockerd.ts";
import { aptSecret, npmSecrets, packagesUnavailable } from "../../testing/npm-access.ts";
import { type BuildOutcome, Varve } from "../../testing/varve.ts";

const APP = fileURLToPath(new URL("express-app", import.meta.url));
const BASE = "varve.test/debian-node:1";
const PACKAGES = ["ca-certificates", "nodejs", "npm"];
const skip = dockerdMissing() ?? (await packagesUnavailable());

const stack = new AsyncDisposableStack();
let varve: Varve;
let dockerd: Dockerd;
let app: string;

before(async () => {
  if (skip !== undefined) return;
  varve = stack.use(await Varve.open());
  dockerd = stack.use(await startDockerd());
  app = join(varve.folder, "app");
  cpSync(APP, app, { recursive: true });
});
after(() => stack.disposeAsync());

const OPTIONS = { skip, timeout: 500_000 };

test("a Debian made by mmdebstrap is a base; apt installs on it", OPTIONS, async () => {
  const archive = await debianArchive(aptAccess() as AptAccess, PACKAGES);
  const context = join(varve.folder, "base");
  mkdirSync(context);
  copyFileSync(archive, join(context, basename(archive)));
  const input = `FROM scratch
ADD ${basename(archive)} /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \\
    --mount=type=cache,target=/var/cache/apt,sharing=locked \\
    --mount=type=secret,id=apt,target=/etc/apt/apt.conf.d/99machine \\
    apt-get update && apt-get install -y --no-install-recommends tini
CMD ["node"]
`;
  await varve.build(["-t", BASE, ...aptSecret(varve.folder), "-f", "-", context], { input });
});

async function buildApp(): Promise<BuildOutcome> {
  const flags = npmSecrets(varve.folder);
  const outputs = ["-o", "type=image", "-o", `type=docker,dest=${archiveFile()},compression=uncompressed`];
  return await varve.build(["-t", "express-app:1", ...flags, ...outputs, app]);
}

function archiveFile(): string {
  return join(varve.folder, "app.tar");
}

/** Names of the steps that ran, without their numbers; of those whose name matches only. */
function ran({ steps }: BuildOutcome): string[] {
  return steps
    .filter(({ name, status }) => status === "run" && /\] (?:RUN|COPY|ADD|WORKDIR)/.test(name))
    .map(({ name }) =>
      name.replace(/^\[(\S+?)?(?: ?\d+\/\d+)\] /, (_, stage: string | undefined) => `${stage ?? ""}: `),
    )
    .map((name) => name.replace(/ --.*? (?=\S*npm ci)/, " ").replace(/NODE_EXTRA_CA_CERTS=\S+ /, ""));
}

/** Loads the image into Docker, asks its server and takes it away again. */
async function ask(path: string): Promise<unknown> {
  await dockerd.docker(["load", "-i", archiveFile()]);
  const container = (await dockerd.docker(["run", "-d", "--network=host", "-e", "PORT=0", "express-app:1"])).trim();
  const env = { ...process.env, DOCKER_HOST: `unix://${dockerd.socket}` };
  const logs = spawn("docker", ["logs", "--follow", container], { env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const line of createInterface({ input: logs.stdout })) {
      const port = /^listening on (\d+)$/.exec(line)?.[1];
      if (port === undefined) continue;
      return await (await fetch(`http://127.0.0.1:${port}${path}`)).json();
    }
    throw new Error("the server ended");
  } finally {
    await dockerd.docker(["rm", "--force", container]);
  }
}

test("an Express application is built, and its container answers", OPTIONS, async () => {
  const built = await buildApp();
  assert.ok(built.steps.some(({ name, status }) => name.includes("npm ci") && status === "run"));
  assert.deepEqual(await ask("/greet/varve"), { text: "hello, varve", user: 1500, mode: "production" });
});

test("nothing runs again without a change, nor for a file the build does not see", OPTIONS, async () => {
  writeFileSync(join(app, "README.md"), "Ignored.\n");
  assert.deepEqual(ran(await buildApp()), []);
});

test("after a change of one source file only what depends on it runs", OPTIONS, async () => {
  writeFileSync(join(app, "src/words.js"), 'export const GREETING = "welcome";\n');
  const built = await buildApp();
  assert.deepEqual(ran(built).toSorted(), [
    "build: COPY . .",
    "build: RUN node --test test/ && node build.js",
    "stage-2: COPY --from=build --chown=app:app /app/dist ./dist",
  ]);
  assert.ok(built.steps.some(({ name, status }) => name.includes("npm ci") && status === "hit"));
  assert.deepEqual(await ask("/greet/again"), { text: "welcome, again", user: 1500, mode: "production" });
});

test("a change that makes the same files again stops there", OPTIONS, async () => {
  writeFileSync(join(app, "test/more.test.js"), "");
  const built = await buildApp();
  assert.deepEqual(ran(built).toSorted(), ["build: COPY . .", "build: RUN node --test test/ && node build.js"]);
});

test("new dependencies are installed anew", OPTIONS, async () => {
  const file = join(app, "package.json");
  writeFileSync(
    file,
    JSON.stringify({ ...(await import(file, { with: { type: "json" } })).default, version: "1.0.1" }),
  );
  const built = await buildApp();
  assert.ok(ran(built).some((name) => name.includes("npm ci")));
});

const TRACED = `FROM ${BASE}
WORKDIR /app
COPY . .
# varve: traced
RUN --mount=type=cache,target=/root/.npm \\
    --mount=type=secret,id=npmrc,target=/root/.npmrc \\
    --mount=type=secret,id=ca,target=/run/ca.pem \\
    NODE_EXTRA_CA_CERTS=/run/ca.pem npm ci --omit=dev --no-audit --no-fund
# varve: traced
RUN node build.js
`;

test("with everything copied first, traced steps run only if they read what has changed", OPTIONS, async () => {
  const project = join(varve.folder, "traced");
  cpSync(APP, project, { recursive: true });
  writeFileSync(join(project, "Dockerfile"), TRACED);
  writeFileSync(join(project, ".dockerignore"), "Dockerfile\n.dockerignore\n");
  writeFileSync(join(project, "README.md"), "The first text.\n");
  const steps = async (): Promise<(string | undefined)[]> => {
    const built = await varve.build(["-o", "type=cacheonly", ...npmSecrets(varve.folder), project]);
    return ["npm ci", "node build.js"].map((text) => built.steps.find(({ name }) => name.includes(text))?.status);
  };
  assert.deepEqual(await steps(), ["run", "run"]);
  writeFileSync(join(project, "README.md"), "Another text.\n");
  assert.deepEqual(await steps(), ["hit", "hit"]);
  writeFileSync(join(project, "test/words.test.js"), "");
  assert.deepEqual(await steps(), ["hit", "hit"]);
  writeFileSync(join(project, "src/words.js"), 'export const GREETING = "traced";\n');
  assert.deepEqual(await steps(), ["hit", "run"]);
  const lock = readFileSync(join(project, "package-lock.json"), "utf8");
  writeFileSync(join(project, "package-lock.json"), `${lock}\n`);
  assert.equal((await steps())[0], "run");
  writeFileSync(join(project, ".npmrc"), "fund=false\n");
  assert.deepEqual(await steps(), ["run", "run"]);
});
