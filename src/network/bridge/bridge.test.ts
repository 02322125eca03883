import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { NetworkPlace, bridgesUnavailable, end, inStep } from "../../../testing/networks.ts";

const skip = bridgesUnavailable();
const SETTINGS = { mode: "bridge", bridgeName: "vtest0", bridgeSubnet: "10.98.0.0/24" } as const;

describe("a bridge", { skip }, () => {
  const place = skip === false ? new NetworkPlace() : undefined;
  after(() => place?.[Symbol.dispose]());
  const use = (): NetworkPlace => place ?? assert.fail();

  const left = (): string[] => {
    const links = use().run("ip", "-o", "link", "show");
    const rules = use().run("iptables", "-w", "-S") + use().run("iptables", "-w", "-t", "nat", "-S");
    return [...links.matchAll(/(?:vtest0|varve\w+)/g), ...rules.matchAll(/vtest0/g)].map(([text]) => text);
  };

  /** Waits for the kernel and for the shell that cleans up after a kill. */
  const untilNothingIsLeft = async (): Promise<void> => {
    for (let attempt = 0; attempt < 600 && left().length > 0; attempt += 1) await sleep(50);
    assert.deepEqual(left(), []);
  };

  test("steps reach each other, the bridge and what is behind it, under the machine's address", async () => {
    // Another machine, behind this one.
    using other = new NetworkPlace();
    const elsewhere = (other.wrapper[1] ?? "").replace("--net=", "");
    use().run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0");
    use().run("ip", "addr", "add", "192.0.2.1/24", "dev", "up0");
    use().run("ip", "link", "set", "far0", "netns", elsewhere);
    use().run("ip", "link", "set", "up0", "up");
    other.run("ip", "addr", "add", "192.0.2.2/24", "dev", "far0");
    other.run("ip", "link", "set", "far0", "up");
    const networks = await use().open(SETTINGS, "/varve-none", 2);
    const [one = "", two = ""] = networks.steps;
    assert.match(inStep(one, "ip", "-o", "-4", "addr"), /eth0\s+inet 10\.98\.0\.2\/24/);
    assert.match(inStep(two, "ip", "-o", "-4", "addr"), /eth0\s+inet 10\.98\.0\.3\/24/);
    for (const address of ["127.0.0.1", "10.98.0.3", "10.98.0.1", "192.0.2.1", "192.0.2.2"])
      assert.match(inStep(one, "busybox", "ping", "-c", "1", "-W", "20", address), / 0% packet loss/, address);
    // It has no way to the subnet, and yet it answered.
    assert.doesNotMatch(other.run("ip", "route"), /10\.98/);
    await end(networks, "quit");
    await untilNothingIsLeft();
  });

  test("nothing is left of a process that is killed, and an other one that uses the bridge keeps it", async () => {
    const [first, second] = [
      await use().open(SETTINGS, "/varve-none", 1),
      await use().open(SETTINGS, "/varve-none", 1),
    ];
    assert.match(inStep(second.steps[0] ?? "", "ip", "-o", "-4", "addr"), /10\.98\.0\.3/);
    await end(first, "kill");
    const third = await use().open(SETTINGS, "/varve-none", 1);
    assert.match(inStep(third.steps[0] ?? "", "ip", "-o", "-4", "addr"), /10\.98\.0\.2/);
    await end(third, "quit");
    assert.match(
      inStep(second.steps[0] ?? "", "busybox", "ping", "-c", "1", "-W", "20", "10.98.0.1"),
      / 0% packet loss/,
    );
    await end(second, "kill");
    await untilNothingIsLeft();
  });

  test("what is in the way is an error with a hint, and stays", async () => {
    use().run("ip", "link", "add", "vtest0", "type", "veth", "peer", "name", "vtest1");
    await assert.rejects(use().open(SETTINGS, "/varve-none", 1), /interface vtest0 exists and is no bridge/);
    use().run("ip", "link", "delete", "vtest0");
    use().run("ip", "link", "add", "taken0", "type", "veth", "peer", "name", "taken1");
    use().run("ip", "addr", "add", "10.98.0.77/28", "dev", "taken0");
    use().run("ip", "link", "set", "taken0", "up");
    await assert.rejects(use().open(SETTINGS, "/varve-none", 1), /are behind interface taken0/);
    use().run("ip", "link", "delete", "taken0");
    // A bridge of the administrator.
    use().run("ip", "link", "add", "vtest0", "type", "bridge");
    await end(await use().open(SETTINGS, "/varve-none", 1), "quit");
    assert.deepEqual(left(), ["vtest0"]);
    use().run("ip", "link", "delete", "vtest0");
  });
});
