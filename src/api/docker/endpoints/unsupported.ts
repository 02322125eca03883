/**
 * Parts of the Engine API that this server does not have: containers, networks, volumes, plugins. Lists are empty, names are
 * unknown, and creating anything is answered with 501.
 */
import type { Endpoint } from "../api.ts";
import { applyChanges } from "../changes.ts";
import { apiError } from "../errors.ts";
import { readJson } from "../json-body.ts";
import { text } from "../query.ts";
import { ok } from "../respond.ts";

/** Returns an endpoint that always gives the same answer, such as an empty list. */
export const constant =
  (value: unknown): Endpoint =>
  () =>
    ok(value);

export const noContainer: Endpoint = ({ name }) => {
  throw apiError(404, `No such container: ${name}`);
};

export const noVolume: Endpoint = ({ name }) => {
  throw apiError(404, `get ${name}: no such volume`);
};

export const noPlugin: Endpoint = ({ name }) => {
  throw apiError(404, `plugin "${name}" not found`);
};

export const notImplemented: Endpoint = ({ request }) => {
  throw apiError(
    501,
    `Cannot ${request.method} ${request.path.slice(0, 200)}: this server builds and moves images, it runs no containers`,
  );
};

/**
 * Returns the network `bridge`, which clients look up to find the address at which a container reaches this machine. Steps share
 * the machine's network, so its gateway is the loopback address.
 */
export const network: Endpoint = ({ name }) => {
  if (name !== BRIDGE.Name && name !== BRIDGE.Id) throw apiError(404, `network ${name} not found`);
  return ok(BRIDGE);
};

const BRIDGE = {
  Name: "bridge",
  Id: "7661727665000000000000000000000000000000000000000000000000627269",
  Created: "1970-01-01T00:00:00Z",
  Scope: "local",
  Driver: "bridge",
  EnableIPv6: false,
  IPAM: { Driver: "default", Options: null, Config: [{ Subnet: "127.0.0.0/8", Gateway: "127.0.0.1" }] },
  Internal: false,
  Attachable: false,
  Ingress: false,
  ConfigFrom: { Network: "" },
  ConfigOnly: false,
  Containers: {},
  Options: {},
  Labels: {},
};

export const networks: Endpoint = () => ok([BRIDGE]);

/** Fails because there is no container to commit. Like the daemon, it reports other errors of the request first. */
export const commit: Endpoint = async ({ query, request }) => {
  await readJson(request);
  applyChanges({}, query.getAll("changes"));
  throw apiError(404, `No such container: ${text(query, "container") ?? ""}`);
};
