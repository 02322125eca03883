import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressOf, npmPeer } from "./npm-peer.ts";

/** The account of the server. Its name is the first part of the paths of its URLs. */
export const AZURE_ACCOUNT: { readonly name: string; readonly key: string } = {
  name: "acct",
  key: Buffer.from("a key of an account of a test").toString("base64"),
};
const PEER = ["azurite", "3.35.0"] as const;

export interface AzureServerOptions {
  /** PEM files: the server speaks TLS, and takes tokens of Microsoft Entra whoever signed them. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface AzureServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>/acct`. */
  readonly url: string;
  /** `127.0.0.1:<port>`. */
  readonly host: string;
}

/** Why the server cannot be started here; undefined if it can. */
export function azureMissing(): string | undefined {
  return npmPeer(...PEER) === undefined ? "azurite cannot be installed from npm's registry here" : undefined;
}

/** Starts azurite with nothing in it. It checks signatures, and enforces conditions. */
export async function startAzure({ tls }: AzureServerOptions = {}): Promise<AzureServer> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "varve-azure-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const program = join(npmPeer(...PEER) ?? "", "node_modules/azurite/dist/src/blob/main.js");
  const place = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"];
  const quiet = ["--disableTelemetry", "--skipApiVersionCheck", "--disableProductStyleUrl"];
  const secure = tls === undefined ? [] : ["--oauth", "basic", "--cert", tls.cert, "--key", tls.key];
  const child = spawn(process.execPath, [program, ...place, ...quiet, ...secure], {
    cwd: directory,
    env: { ...process.env, AZURITE_ACCOUNTS: `${AZURE_ACCOUNT.name}:${AZURE_ACCOUNT.key}` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  stack.defer(async () => {
    process.off("exit", kill);
    const ended = once(child, "exit");
    if (child.exitCode === null && child.kill("SIGKILL")) await ended;
  });
  const { protocol, host } = new URL(await addressOf("azurite", child, /successfully listens on (\S+)/));
  const owned = stack.move();
  return {
    url: `${protocol}//${host}/${AZURE_ACCOUNT.name}`,
    host,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Returns a shared access signature for all that can be done with blobs. */
export function sharedAccessSignature({ permissions = "rwdlac" }: { readonly permissions?: string } = {}): string {
  const version = "2021-12-02";
  const expires = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, "");
  const fields = [AZURE_ACCOUNT.name, permissions, "b", "sco", "", expires, "", "", version, "", ""];
  const key = Buffer.from(AZURE_ACCOUNT.key, "base64");
  const sig = createHmac("sha256", key).update(fields.join("\n")).digest("base64");
  const parameters = { sv: version, ss: "b", srt: "sco", sp: permissions, se: expires, sig };
  return new URLSearchParams(parameters).toString();
}
