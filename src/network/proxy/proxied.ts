import { closeSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { NetworkLinks, createNetworkNamespace, withinNetwork } from "../../linux/index.ts";
import type { StepNetwork } from "../types.ts";
import { type Authority, makeAuthority } from "./certificate.ts";
import type { ProxyCapture } from "./capture.ts";
import { type Egress, egressFrom, machineEgress } from "./egress.ts";
import { type JudgeUrl, StepProxy } from "./server.ts";

const LOOPBACK = { index: 1 };
const DIRECT = "127.0.0.1,localhost,::1";

/** What a step may request by a proxy. */
export interface ProxySpec {
  /** Decides about each URL. Default: all are allowed. */
  readonly judge?: JudgeUrl | undefined;
  /** Gets what the step requests. */
  readonly capture: ProxyCapture;
}

/** A network in which nothing is but a proxy. */
export interface ProxiedNetwork extends StepNetwork {
  /** `NAME=value`, for the processes of the step. */
  readonly environment: readonly string[];
  /** PEM: the authority whose certificates the proxy shows. */
  readonly authority: string;
}

/** Where a proxy connects to servers from: the network of the machine, or that of a step, which it disposes of. */
export type ProxyEgress =
  | { readonly kind: "host" }
  | { readonly kind: "isolated"; readonly network: StepNetwork }
  | { readonly kind: "none" };

let authority: Authority | undefined;

/** Makes a network with a loopback interface, on which a proxy listens. The caller disposes of it after the step. */
export async function openProxied(egress: ProxyEgress, { judge, capture }: ProxySpec): Promise<ProxiedNetwork> {
  await using stack = new AsyncDisposableStack();
  if (egress.kind === "isolated") stack.use(egress.network);
  // Made when the first step needs it, and known to no other process.
  authority ??= makeAuthority();
  const proxy = stack.use(new StepProxy({ authority, egress: connecting(egress), judge, capture }));
  const namespace = createNetworkNamespace();
  stack.defer(() => closeSync(namespace));
  withinNetwork(namespace, () => {
    using links = new NetworkLinks();
    links.setUp(LOOPBACK);
    // The socket is made at once, and stays in the namespace.
    proxy.server.listen(0);
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the proxy listens for TCP
  const { port } = proxy.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
  const parts = stack.move();
  return {
    namespace,
    environment: [...names.map((name) => `${name}=${url}`), `NO_PROXY=${DIRECT}`, `no_proxy=${DIRECT}`],
    authority: authority.certificate,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function connecting(egress: ProxyEgress): Egress {
  switch (egress.kind) {
    case "host":
      return machineEgress;
    case "isolated":
      return egressFrom(egress.network.namespace);
    case "none":
      return () => Promise.reject(new Error("steps have no network"));
  }
}
