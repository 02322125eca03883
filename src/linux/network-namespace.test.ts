import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, readFileSync, readlinkSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { isRootUser } from "./capability.ts";
import { NetworkLinks } from "./netlink.ts";
import { createNetworkNamespace, withinNetwork } from "./network-namespace.ts";

const own = (): string => readlinkSync("/proc/thread-self/ns/net");
const skip = isRootUser() ? false : "only root can make network namespaces";

test("a namespace is entered and left again, also if the work fails", { skip }, () => {
  const home = own();
  const namespace = createNetworkNamespace();
  try {
    assert.equal(own(), home);
    assert.notEqual(withinNetwork(namespace, own), home);
    assert.deepEqual(
      withinNetwork(namespace, () => Object.keys(networkInterfaces())),
      [],
    );
    assert.throws(() => withinNetwork(namespace, () => assert.fail("work")), /work/);
    assert.equal(own(), home);
  } finally {
    closeSync(namespace);
  }
});

test("interfaces are made, found, connected and removed", { skip }, (t) => {
  const [one, two] = [createNetworkNamespace(), createNetworkNamespace()];
  t.after(() => [one, two].forEach((namespace) => closeSync(namespace)));
  using first = withinNetwork(one, () => new NetworkLinks());
  using second = withinNetwork(two, () => new NetworkLinks());
  assert.equal(first.find("lo")?.index, 1);
  assert.equal(first.find("none"), undefined);
  try {
    first.addBridge("b0");
  } catch (error) {
    return t.skip(`the kernel makes no bridges: ${String(error)}`);
  }
  assert.throws(() => first.addBridge("b0"), { code: "EEXIST" });
  const bridge = first.find("b0") ?? assert.fail();
  assert.equal(bridge.kind, "bridge");
  const address = Buffer.from([2, 0x42, 10, 0, 0, 2]);
  first.addVeth({ name: "v0", master: bridge.index, peer: { name: "eth0", namespace: two, address } });
  const peer = second.find("eth0") ?? assert.fail();
  second.addAddress(peer, "10.0.0.2", 24);
  second.addAddress(peer, "10.0.0.2", 24);
  second.setUp(peer);
  second.addDefaultRoute("10.0.0.1");
  const routes = withinNetwork(two, () => readFileSync("/proc/thread-self/net/route", "utf8"));
  assert.match(routes, /^eth0\t00000000\t0100000A\t/m);
  assert.match(routes, /^eth0\t0000000A\t00000000\t/m);
  assert.throws(() => second.addAddress(peer, "not an address", 24), { code: "EINVAL" });
  first.remove(first.find("v0") ?? assert.fail());
  assert.equal(second.find("eth0"), undefined);
});

test("a process that could not come back does not leave its network", () => {
  const module = new URL("network-namespace.ts", import.meta.url).href;
  const code = `import { readlinkSync } from "node:fs"; import { createNetworkNamespace } from ${JSON.stringify(module)};
const own = () => readlinkSync("/proc/thread-self/ns/net"); const home = own();
try { createNetworkNamespace(); console.log("made"); } catch (error) { console.log(error.code, own() === home); }`;
  const { stdout, status } = spawnSync(
    "unshare",
    ["--user", "--map-root-user", process.execPath, "--input-type=module", "--eval", code],
    { encoding: "utf8" },
  );
  // A machine may forbid user namespaces.
  if (status === 0) assert.equal(stdout, "EPERM true\n");
});
