import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { NetworkPlace, bridgesUnavailable, end, inStep } from "../../../testing/networks.ts";
import { isVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { Networks } from "../networks.ts";
import { readCniConfig } from "./config.ts";

const PLUGINS = ["/usr/lib/cni", "/opt/cni/bin"].find((path) => existsSync(join(path, "host-local")));
const skip = bridgesUnavailable() || (PLUGINS === undefined && "the plugins of CNI are not installed");

describe("networks of plugins", { skip }, () => {
  test("a list of plugins makes and removes networks, also those of a killed process", async () => {
    await using directory = await temporaryDirectory();
    using place = new NetworkPlace();
    const at = (name: string): string => join(directory.path, name);
    const ipam = { type: "host-local", subnet: "10.97.0.0/24", dataDir: at("ipam") };
    const config = {
      cniVersion: "0.4.0",
      name: "varve-test",
      plugins: [{ type: "bridge", bridge: "vcni0", isGateway: true, ipam }, { type: "tuning" }],
    };
    writeFileSync(at("net.conflist"), JSON.stringify(config));
    const settings = {
      mode: "cni",
      cniConfigPath: at("net.conflist"),
      cniBinaryPath: PLUGINS,
      cniPoolSize: 1,
    } as const;
    const leases = (): string[] => readdirSync(at("ipam/varve-test")).filter((name) => name.startsWith("10."));
    const first = await place.open(settings, at("records"), 2);
    const addresses = first.steps.map(
      (step) => /inet (10\.97\.0\.\d+)/.exec(inStep(step, "ip", "-o", "-4", "addr"))?.[1],
    );
    assert.equal(new Set(addresses).size, 2);
    assert.ok(addresses.every((address) => address !== undefined && leases().includes(address)));
    await end(first, "kill");
    assert.ok(leases().length >= 2);
    const second = await place.open(settings, at("records"), 1);
    assert.ok(!leases().some((address) => addresses.includes(address)), "the addresses of the killed process are free");
    await end(second, "quit");
    assert.deepEqual(leases(), []);
  });

  test("a plugin that is missing, fails or says nonsense is an error", async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string): string => join(directory.path, name);
    const plugin = (script: string): void => {
      writeFileSync(at("plugin"), `#!/bin/sh\ncat > ${at("input")}-$CNI_COMMAND\n${script}\n`);
      chmodSync(at("plugin"), 0o755);
    };
    writeFileSync(at("net.json"), JSON.stringify({ cniVersion: "1.0.0", name: "n", type: "plugin", own: 1 }));
    const settings = { mode: "cni", cniConfigPath: at("net.json"), cniBinaryPath: directory.path } as const;
    const failing = async (text: RegExp): Promise<void> => {
      await using networks = new Networks(settings, at("records"));
      await assert.rejects(networks.open(), (error) => isVarveError(error, "unsupported") && text.test(error.message));
    };
    await failing(/plugin .*\/plugin failed: .*ENOENT/);
    plugin('test $CNI_COMMAND = DEL || echo \'{"code": 7, "msg": "no luck", "details": "today"}\'; exit 1');
    await failing(/failed: no luck: today/);
    assert.deepEqual(JSON.parse(readFileSync(`${at("input")}-DEL`, "utf8")), {
      cniVersion: "1.0.0",
      name: "n",
      type: "plugin",
      own: 1,
    });
    plugin("echo oops >&2; exit 3");
    await failing(/failed: oops/);
    plugin("echo nonsense");
    await failing(/Cannot read the answer of .*\/plugin: it is not JSON/);
  });
});

test("a configuration without a name, a plugin or a file is refused", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "net.conf");
  const wrong = [
    "{",
    "[]",
    "{}",
    '{"name": "a"}',
    '{"name": "a", "plugins": []}',
    '{"name": "a", "plugins": [{"type": "../sh"}]}',
    '{"name": "a", "type": ".."}',
  ];
  for (const text of wrong) {
    writeFileSync(path, text);
    await assert.rejects(readCniConfig(path), (error) => isVarveError(error, "invalid-argument"), text);
  }
  await assert.rejects(readCniConfig(`${path}x`), (error) => isVarveError(error, "unsupported"));
});
