import { type ChildProcess, spawn } from "node:child_process";
import type { RemoteLayer } from "../src/record/index.ts";

/** Starts another process that mounts a layer, which a registry without TLS at `host` has, in a root of overlays, and ends. */
export function startMount(root: string, host: string, layer: RemoteLayer): ChildProcess {
  const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { temporaryRecords } from ${at("records.ts")};
    import { ANONYMOUS, Registry } from ${at("../src/registry/index.ts")};
    import { registryFetcher } from ${at("../src/build/fetch.ts")};
    const [root, host, layer] = process.argv.slice(1);
    const registries = { [host]: { http: true } };
    using registry = new Registry({ credentials: async () => ANONYMOUS, env: {}, config: { registries } });
    const fetchBlob = (...args) => registryFetcher(async () => registry, room.content)(...args);
    await using room = await temporaryRecords({ root, driver: "overlay", fetchBlob });
    const id = room.records.addChain([JSON.parse(layer)], room.hold.lease);
    await using tree = await room.records.mount(id, room.hold);`;
  const args = ["--input-type=module-typescript", "-e", script, root, host, JSON.stringify(layer)];
  return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
}
