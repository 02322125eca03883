import type { Endpoint } from "../api.ts";
import { applyChanges } from "../changes.ts";
import { refusal } from "../errors.ts";
import { readJson } from "../json-body.ts";
import { text } from "../query.ts";
import { ok } from "../respond.ts";

/** Of what an engine has besides images, there is nothing here: lists are empty, names unknown, and nothing can be made. */
export const nothing =
  (value: unknown): Endpoint =>
  () =>
    ok(value);

export const noContainer: Endpoint = ({ name }) => {
  throw refusal(404, `No such container: ${name}`);
};

export const noVolume: Endpoint = ({ name }) => {
  throw refusal(404, `get ${name}: no such volume`);
};

export const noPlugin: Endpoint = ({ name }) => {
  throw refusal(404, `plugin "${name}" not found`);
};

export const notImplemented: Endpoint = ({ request }) => {
  throw refusal(
    501,
    `Cannot ${request.method} ${request.path.slice(0, 200)}: this server builds and moves images, it runs no containers`,
  );
};

/**
 * The network of steps as clients look for it. They take the gateway for the address at which containers reach this
 * machine; steps share the machine's network, so that it is the loopback address.
 */
export const network: Endpoint = ({ name }) => {
  if (name !== BRIDGE.Name && name !== BRIDGE.Id) throw refusal(404, `network ${name} not found`);
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

/** There is no container to commit; what is wrong with the request besides is told first, as the daemon does. */
export const commit: Endpoint = async ({ query, request }) => {
  await readJson(request);
  applyChanges({}, query.getAll("changes"));
  const container = text(query, "container");
  if (container === undefined) throw refusal(404, "No such container: ");
  throw refusal(404, `No such container: ${container}`);
};
