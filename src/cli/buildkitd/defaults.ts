import { homedir } from "node:os";
import { join } from "node:path";
import { defaultRoot } from "../../core/index.ts";
import { isRootUser, ownIdMaps } from "../../linux/index.ts";

/** Where a server in the place of buildkitd is unless somebody says it. */
export interface DefaultPlaces {
  readonly address: string;
  readonly config: string;
  readonly root: string;
}

/**
 * Returns BuildKit's places: those of the machine for root, those below the user's directories for others, also as root of a user namespace.
 * There, the user is known by `USER`. The root of others is Varve's own.
 */
export function defaultPlaces(env: NodeJS.ProcessEnv = process.env): DefaultPlaces {
  const places = {
    address: "unix:///run/buildkit/buildkitd.sock",
    config: "/etc/buildkit/buildkitd.toml",
    root: "/var/lib/buildkit",
  };
  if (!isOrdinary(env)) return places;
  const runtime = env["XDG_RUNTIME_DIR"];
  const settings = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return {
    address: runtime ? `unix://${join(runtime, "buildkit/buildkitd.sock")}` : places.address,
    config: join(settings, "buildkit/buildkitd.toml"),
    root: defaultRoot(env),
  };
}

function isOrdinary(env: NodeJS.ProcessEnv): boolean {
  if (!isRootUser()) return true;
  return ownIdMaps() !== undefined && !["", "root"].includes(env["USER"] ?? "");
}
