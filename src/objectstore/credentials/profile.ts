import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { VarveError, errnoOf } from "../../core/index.ts";
import type { ChainContext, FoundKeys } from "./chain.ts";
import { keysInJson } from "./metadata.ts";
import { assumeRole } from "./sts.ts";
import { keysOfIdentity } from "./web-identity.ts";

/** The settings of one profile, by name in lower case. */
type Profile = ReadonlyMap<string, string>;
/** Profiles by name. */
export type Profiles = ReadonlyMap<string, Profile>;

/** Maximum number of profiles that lead to each other by `source_profile`. */
const MAX_CHAIN = 8;
const PROGRAM_TIMEOUT = 60_000;

/** Keys of the profile that `AWS_PROFILE` names, else of `default`. */
export async function profileKeys(context: ChainContext): Promise<FoundKeys | undefined> {
  const { env } = context;
  const given = env["AWS_PROFILE"] ?? "";
  const profiles = await readProfiles(env);
  const name = given === "" ? "default" : given;
  if (profiles.has(name)) return await keysOfProfile(profiles, name, context);
  if (given === "") return undefined;
  throw new VarveError("unauthorized", `Cannot get AWS credentials: there is no profile ${JSON.stringify(given)}`);
}

/** Reads the profiles of the shared files. Those of the credentials file have precedence. */
async function readProfiles(env: ChainContext["env"]): Promise<Profiles> {
  const home = join(env["HOME"] || homedir(), ".aws");
  const config = await readText(env["AWS_CONFIG_FILE"] || join(home, "config"));
  const credentials = await readText(env["AWS_SHARED_CREDENTIALS_FILE"] || join(home, "credentials"));
  const profiles = new Map<string, Map<string, string>>();
  const merge = (name: string, settings: Profile): void => {
    const known = profiles.get(name) ?? new Map<string, string>();
    for (const [key, value] of settings) known.set(key, value);
    profiles.set(name, known);
  };
  for (const [section, settings] of sectionsOf(config)) {
    const [, name] = /^(?:profile\s+)(.+)$/.exec(section) ?? [];
    if (name !== undefined) merge(name.replace(/^(["'])(.*)\1$/, "$2"), settings);
    else if (section === "default") merge(section, settings);
  }
  for (const [section, settings] of sectionsOf(credentials)) merge(section, settings);
  return profiles;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(errnoOf(error) ?? "")) return "";
    throw error;
  }
}

/** Parses AWS's shared files: sections in brackets, `name = value`, comments, and nested settings, which are ignored. */
export function sectionsOf(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, name] = /^\[\s*([^\]]+?)\s*\]/.exec(line) ?? [];
    if (name !== undefined) {
      section = sections.get(name) ?? new Map<string, string>();
      sections.set(name, section);
      continue;
    }
    const [, key = "", value = ""] = /^([^\s=#;][^=]*?)\s*=\s*(.*?)(?:\s+[#;].*)?$/.exec(line) ?? [];
    if (key !== "") section?.set(key.toLowerCase(), value.trim());
  }
  return sections;
}

async function keysOfProfile(
  profiles: Profiles,
  name: string,
  context: ChainContext,
  seen: ReadonlySet<string> = new Set(),
): Promise<FoundKeys | undefined> {
  const profile = profiles.get(name);
  if (profile === undefined) return undefined;
  const value = (key: string): string => profile.get(key) ?? "";
  const role = value("role_arn");
  const tokenFile = value("web_identity_token_file");
  const session = value("role_session_name");
  if (role !== "" && tokenFile !== "") return await keysOfIdentity({ role, tokenFile, session }, context);
  const isOwn = seen.has(name) || value("source_profile") === "";
  if (role !== "" && !isOwn) return await keysOfRole(profiles, name, { role, session }, { context, seen });
  const [accessKeyId, secretAccessKey] = [value("aws_access_key_id"), value("aws_secret_access_key")];
  if (accessKeyId !== "" && secretAccessKey !== "")
    return { accessKeyId, secretAccessKey, sessionToken: value("aws_session_token") || undefined };
  if (value("credential_process") !== "") return await keysOfProgram(value("credential_process"), name);
  if (value("sso_start_url") !== "" || value("sso_session") !== "")
    throw new VarveError("unsupported", `Cannot use AWS profile ${JSON.stringify(name)}: it uses single sign-on`, {
      hint: "Run aws configure export-credentials --format env, and set the variables that it prints.",
    });
  return undefined;
}

async function keysOfRole(
  profiles: Profiles,
  name: string,
  { role, session }: { readonly role: string; readonly session: string },
  { context, seen }: { readonly context: ChainContext; readonly seen: ReadonlySet<string> },
): Promise<FoundKeys> {
  const profile = profiles.get(name);
  const source = profile?.get("source_profile") ?? "";
  if (seen.size >= MAX_CHAIN)
    throw new VarveError("unauthorized", `Cannot get AWS credentials: too many profiles lead to each other`);
  const keys = await keysOfProfile(profiles, source, context, new Set([...seen, name]));
  if (keys === undefined)
    throw new VarveError("unauthorized", `Cannot get AWS credentials: profile ${JSON.stringify(source)} has no keys`);
  const externalId = profile?.get("external_id");
  const parameters = {
    RoleArn: role,
    RoleSessionName: session || "varve",
    ...(externalId === undefined ? {} : { ExternalId: externalId }),
  };
  return await assumeRole({ action: "AssumeRole", parameters, keys }, context);
}

/** Runs a program of the user that prints keys. */
async function keysOfProgram(command: string, name: string): Promise<FoundKeys> {
  const options = { timeout: PROGRAM_TIMEOUT, maxBuffer: 262_144 };
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", command], options).catch((cause: unknown) => {
    throw new VarveError("unauthorized", `Cannot get AWS credentials: the program of profile ${name} failed`, {
      cause,
    });
  });
  return keysInJson(stdout);
}
