import type { Endpoint } from "./api.ts";
import { load, saveOne, saveSeveral } from "./endpoints/archives.ts";
import { build, buildCancel, buildPrune } from "./endpoints/build.ts";
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
  nothing,
} from "./endpoints/elsewhere.ts";
import { events } from "./endpoints/events.ts";
import { history, inspect, list, tag } from "./endpoints/images.ts";
import { push } from "./endpoints/push.ts";
import { pruneImages, remove } from "./endpoints/remove.ts";
import { auth, info, ping, version } from "./endpoints/system.ts";
import { usage } from "./endpoints/usage.ts";

/** Methods, path and what answers. `*` stands for a name, which may have slashes; the first route that fits is taken. */
export type Route = readonly [methods: string, path: string, endpoint: Endpoint];

export const ROUTES: readonly Route[] = [
  ["GET HEAD", "/_ping", ping],
  ["GET", "/version", version],
  ["GET", "/info", info],
  ["POST", "/auth", auth],
  ["GET", "/events", events],
  ["GET", "/system/df", usage],
  ["POST", "/build", build],
  ["POST", "/build/prune", buildPrune],
  ["POST", "/build/cancel", buildCancel],
  ["GET", "/images/json", list],
  ["GET", "/images/search", nothing([])],
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
  // What an engine has besides: nothing.
  ["GET", "/containers/json", nothing([])],
  ["POST", "/containers/prune", nothing({ ContainersDeleted: null, SpaceReclaimed: 0 })],
  ["POST", "/containers/create", notImplemented],
  ["GET", "/containers/*/json", noContainer],
  ["GET", "/networks", networks],
  ["POST", "/networks/prune", nothing({ NetworksDeleted: null })],
  ["POST", "/networks/create", notImplemented],
  ["GET", "/networks/*", network],
  ["GET", "/volumes", nothing({ Volumes: [], Warnings: null })],
  ["POST", "/volumes/prune", nothing({ VolumesDeleted: [], SpaceReclaimed: 0 })],
  ["POST", "/volumes/create", notImplemented],
  ["GET", "/volumes/*", noVolume],
  ["GET", "/plugins", nothing([])],
  ["GET", "/plugins/*/json", noPlugin],
  ...restOfApi().map((path): Route => ["GET HEAD POST PUT DELETE", path, notImplemented]),
];

/** The rest of the Engine API. */
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
