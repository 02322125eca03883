import type { Endpoint } from "./api.ts";
import { load, saveOne, saveSeveral } from "./endpoints/archives.ts";
import { build } from "./endpoints/build.ts";
import { buildPrune } from "./endpoints/build-prune.ts";
import { create } from "./endpoints/create.ts";
import { distribution } from "./endpoints/distribution.ts";
import {
  commit,
  network,
  networks,
  noContainer,
  noPlugin,
  noVolume,
  notImplemented,
  constant,
} from "./endpoints/unsupported.ts";
import { events } from "./endpoints/events.ts";
import { history, inspect, list, tag } from "./endpoints/images.ts";
import { push } from "./endpoints/push.ts";
import { pruneImages, remove } from "./endpoints/remove.ts";
import { auth, info, ping, version } from "./endpoints/system.ts";
import { grpc, session } from "./endpoints/upgrade.ts";
import { buildCancel } from "./endpoints/session-build.ts";
import { usage } from "./endpoints/usage.ts";

/** Methods, path and endpoint. `*` matches a name, which may contain slashes. The first route that matches is taken. */
export type Route = readonly [methods: string, path: string, endpoint: Endpoint];

export const ROUTES: readonly Route[] = [
  ["GET HEAD", "/_ping", ping],
  ["GET", "/version", version],
  ["GET", "/info", info],
  ["POST", "/auth", auth],
  ["GET", "/events", events],
  ["GET", "/system/df", usage],
  ["POST", "/build", build],
  ["POST", "/grpc", grpc],
  ["POST", "/session", session],
  ["POST", "/build/prune", buildPrune],
  ["POST", "/build/cancel", buildCancel],
  ["GET", "/images/json", list],
  ["GET", "/images/search", constant([])],
  ["GET", "/images/get", saveSeveral],
  ["POST", "/images/create", create],
  ["POST", "/images/load", load],
  ["POST", "/images/prune", pruneImages],
  ["GET", "/images/*/json", inspect],
  ["GET", "/images/*/history", history],
  ["GET", "/images/*/get", saveOne],
  ["POST", "/images/*/push", push],
  ["POST", "/images/*/tag", tag],
  ["DELETE", "/images/*", remove],
  ["GET", "/distribution/*/json", distribution],
  ["POST", "/commit", commit],
  // Containers, networks, volumes and plugins, which this server does not have.
  ["GET", "/containers/json", constant([])],
  ["POST", "/containers/prune", constant({ ContainersDeleted: null, SpaceReclaimed: 0 })],
  ["POST", "/containers/create", notImplemented],
  ["GET", "/containers/*/json", noContainer],
  ["GET", "/networks", networks],
  ["POST", "/networks/prune", constant({ NetworksDeleted: null })],
  ["POST", "/networks/create", notImplemented],
  ["GET", "/networks/*", network],
  ["GET", "/volumes", constant({ Volumes: [], Warnings: null })],
  ["POST", "/volumes/prune", constant({ VolumesDeleted: [], SpaceReclaimed: 0 })],
  ["POST", "/volumes/create", notImplemented],
  ["GET", "/volumes/*", noVolume],
  ["GET", "/plugins", constant([])],
  ["GET", "/plugins/*/json", noPlugin],
  ...restOfApi().map((path): Route => ["GET HEAD POST PUT DELETE", path, notImplemented]),
];

/** Returns the paths of the rest of the Engine API. */
function restOfApi(): string[] {
  const objects = [
    "containers",
    "networks",
    "volumes",
    "plugins",
    "exec",
    "swarm",
    "nodes",
    "services",
    "tasks",
    "secrets",
    "configs",
  ];
  return objects.flatMap((object) => [`/${object}`, `/${object}/*`]);
}
