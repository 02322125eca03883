import { readFile } from "node:fs/promises";
import { VarveError } from "../../core/index.ts";
import { isLoopback } from "../../http/index.ts";
import type { ChainContext, FoundKeys } from "./chain.ts";
import { askMetadata, keysInJson } from "./metadata.ts";

const ECS = "http://169.254.170.2";
/** Addresses of the agents of ECS and EKS, which are asked over plain HTTP. */
const AGENTS: ReadonlySet<string> = new Set(["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]);

/** Keys of the container that this process runs in, on ECS, Fargate and EKS. */
export async function containerKeys(context: ChainContext): Promise<FoundKeys | undefined> {
  const { env } = context;
  const relative = env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] ?? "";
  const full = env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] ?? "";
  if (relative === "" && full === "") return undefined;
  const text = relative === "" ? full : `${ECS}${relative}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && !isLoopback(url.hostname) && !AGENTS.has(url.hostname)))
    throw new VarveError(
      "unauthorized",
      "Cannot get AWS credentials: the container's URI must be HTTPS or of this host",
    );
  const token = await tokenOf(env);
  const headers: Record<string, string> = { accept: "application/json" };
  if (token !== undefined) headers["authorization"] = token;
  const answer = await askMetadata({ method: "GET", url, headers }, context);
  if (answer !== undefined) return keysInJson(answer);
  throw new VarveError("unauthorized", `Cannot get AWS credentials: ${url.host} refused to give them`);
}

async function tokenOf(env: ChainContext["env"]): Promise<string | undefined> {
  const file = env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] ?? "";
  const token = file === "" ? env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] : (await readFile(file, "utf8")).trim();
  if (token === undefined || token === "") return undefined;
  if (/[\r\n]/.test(token))
    throw new VarveError("unauthorized", "Cannot get AWS credentials: the token has several lines");
  return token;
}
