import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Repositories below one directory, served over HTTP by git's own `http-backend`. */
export interface GitServer extends AsyncDisposable {
  readonly url: string;
  readonly directory: string;
  /** The `Authorization` headers that came, one a request. */
  readonly authorizations: (string | undefined)[];
  /** Runs git in a repository of the server; returns what it prints, trimmed. */
  git(repository: string, ...args: readonly string[]): string;
  /** Makes `<name>.git`, with a work tree and a branch `main`. */
  create(name: string): string;
}

const ENV = {
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@test",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@test",
  GIT_AUTHOR_DATE: "1600000000 +0000",
  GIT_COMMITTER_DATE: "1600000000 +0000",
  GIT_ALLOW_PROTOCOL: "file:http",
};

/** Why git repositories cannot be served here; undefined if they can. */
export function gitMissing(): string | undefined {
  try {
    execFileSync("git", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "git is not installed";
  }
}

export async function startGitServer(): Promise<GitServer> {
  const directory = await mkdtemp(join(tmpdir(), "varve-git-"));
  const authorizations: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    authorizations.push(request.headers.authorization);
    runBackend(directory, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const git = (repository: string, ...args: readonly string[]): string =>
    execFileSync("git", ["-C", join(directory, repository), ...args], { env: ENV, encoding: "utf8" }).trim();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    directory,
    authorizations,
    git,
    create: (name) => {
      execFileSync("git", ["init", "--quiet", "-b", "main", join(directory, `${name}.git`)], { env: ENV });
      git(`${name}.git`, "config", "uploadpack.allowAnySHA1InWant", "true");
      return join(directory, `${name}.git`);
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** One request, as RFC 3875 hands it to a program. */
function runBackend(directory: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? "/", "http://localhost");
  const child = spawn("git", ["http-backend"], {
    env: {
      ...ENV,
      GIT_PROJECT_ROOT: directory,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: pathname.replace(/^\/([^/]+\.git)\//, "/$1/.git/"),
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      ...(request.headers["git-protocol"] === undefined
        ? {}
        : { GIT_PROTOCOL: String(request.headers["git-protocol"]) }),
      ...(request.headers["content-encoding"] === undefined
        ? {}
        : { HTTP_CONTENT_ENCODING: request.headers["content-encoding"] }),
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  request.pipe(child.stdin);
  child.stdin.on("error", () => undefined);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.on("close", () => answer(Buffer.concat(chunks), response));
}

function answer(output: Buffer, response: ServerResponse): void {
  const end = output.indexOf("\r\n\r\n");
  for (const line of output.subarray(0, end).toString().split("\r\n")) {
    const [name = "", value = ""] = line.split(": ", 2);
    if (name === "Status") response.statusCode = Number(value.slice(0, 3));
    else if (name !== "") response.setHeader(name, value);
  }
  response.end(output.subarray(end + 4));
}
