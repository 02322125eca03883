import { type ChildProcess, spawn } from "node:child_process";
import type { RemoteLayer } from "../src/record/index.ts";

/** Starts another process that mounts a layer, which a registry without TLS at `host` has, in a root of overlays, and ends. */
export function startMount(root: string, host: string, layer: RemoteLayer): ChildProcess {
  const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { ANONYMOUS } from ${at("../src/registry/index.ts")};
    import { openStore } from ${at("../src/engine/store/store.ts")};
    const [root, host, layer] = process.argv.slice(1);
    const config = { registries: { [host]: { http: true } } };
    const registry = { credentials: async () => ANONYMOUS, env: {}, config };
    await using store = await openStore({ root, snapshotter: "overlay", registry });
    await using lease = await store.content.lease();
    const id = store.records.addChain([JSON.parse(layer)], lease);
    await using tree = await store.records.mount(id, { lease });`;
  const args = ["--input-type=module-typescript", "-e", script, root, host, JSON.stringify(layer)];
  return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
}
