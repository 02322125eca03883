import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { NetworkPlace, bridgesUnavailable } from "../../testing/networks.ts";
import { sharedVarve } from "../../testing/varve.ts";

const { skip: unavailable, varve, base } = await sharedVarve();
const skip = unavailable === false ? bridgesUnavailable() : unavailable;

describe("a network for steps", { skip }, () => {
  const place = skip === false ? new NetworkPlace() : undefined;
  after(() => place?.[Symbol.dispose]());

  test("with a bridge, steps have an interface of their own, unless they want none or may have the machine's", async () => {
    assert.ok(place !== undefined);
    const network = { mode: "bridge", bridgeName: "ve2e0", bridgeSubnet: "10.99.0.0/24" };
    await writeFile(join(varve.root, "varve.json"), JSON.stringify({ network }));
    const folder = await varve.context(
      "bridged",
      `FROM ${base}
RUN ip -o -4 addr show eth0 | grep -o 'inet [0-9./]*' > /own && ping -c 1 -W 20 10.99.0.1 > /dev/null && echo reached >> /own
RUN --network=none ls /sys/class/net > /none
RUN --network=host ls /sys/class/net | tr '\\n' ' ' > /host
`,
    );
    const made = await varve.make(["--network", "sandbox", "--allow", "network.host", folder], {
      wrapper: place.wrapper,
    });
    assert.match(made.text("own"), /^inet 10\.99\.0\.\d+\/24\nreached\n$/);
    assert.equal(made.text("none"), "lo\n");
    assert.match(made.text("host"), /ve2e0/);
    assert.doesNotMatch(place.run("ip", "-o", "link"), /ve2e0/);
  });

  test("a network that cannot be made is an error with a hint", async () => {
    const network = { mode: "cni", cniConfigPath: "/varve-none/net.json" };
    await writeFile(join(varve.root, "varve.json"), JSON.stringify({ network }));
    const folder = await varve.context("unconnected", `FROM ${base}\nRUN true\n`);
    const failed = await varve.tryBuild([folder]);
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /Cannot use network configuration \/varve-none\/net\.json: ENOENT/);
    assert.match(failed.stderr, /networkMode/);
  });
});
