export { type IncompleteRequest, ProxyCapture, type ProxiedMaterial, type ProxiedRequest } from "./proxy/capture.ts";
export type { ProxiedNetwork, ProxySpec } from "./proxy/proxied.ts";
export type { JudgeUrl } from "./proxy/server.ts";
export { type DefaultNetwork, Networks } from "./networks.ts";
export { NETWORK_PROVIDER_MODES, type NetworkSettings, type StepNetwork } from "./types.ts";
