import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { takeAddress } from "./addresses.ts";
import { ipv4Text, parseSubnet, routeTo } from "./subnet.ts";

test("the first address of a subnet is the bridge's, and the last one nobody's", () => {
  const { first, last, ...rest } = parseSubnet("10.1.2.3/24");
  assert.deepEqual(rest, { text: "10.1.2.0/24", prefix: 24, gateway: "10.1.2.1" });
  assert.deepEqual([ipv4Text(first), ipv4Text(last)], ["10.1.2.2", "10.1.2.254"]);
  const large = parseSubnet("200.0.0.0/8");
  assert.equal(ipv4Text(large.last), "200.255.255.254");
});

test("what is no subnet is refused", () => {
  for (const text of ["", "10.0.0.0", "10.0.0.0/7", "10.0.0.0/30", "10.0.0.0/24/1", "10.0.0/24", "fd00::/64", "a/24"])
    assert.throws(
      () => parseSubnet(text),
      (error) => isVarveError(error, "invalid-argument"),
      text,
    );
});

test("a route of the machine that overlaps is found, and the default route is none", () => {
  const table = `Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;
  assert.equal(routeTo(parseSubnet("192.168.0.0/16"), table), "eth0");
  assert.equal(routeTo(parseSubnet("10.0.5.0/24"), table), "tun0");
  assert.equal(routeTo(parseSubnet("10.1.0.0/16"), table), undefined);
});

test("an address is used once at a time, the lowest first, and has one hardware address", async () => {
  await using directory = await temporaryDirectory();
  const subnet = parseSubnet("10.1.2.0/29");
  const taken = Array.from({ length: 5 }, () => takeAddress(directory.path, subnet));
  assert.deepEqual(
    taken.map(({ text }) => text),
    ["10.1.2.2", "10.1.2.3", "10.1.2.4", "10.1.2.5", "10.1.2.6"],
  );
  assert.throws(
    () => takeAddress(directory.path, subnet),
    (error) => isVarveError(error, "unsupported"),
  );
  taken[1]?.[Symbol.dispose]();
  using again = takeAddress(directory.path, subnet);
  assert.deepEqual([again.text, Buffer.from(again.hardware).toString("hex")], ["10.1.2.3", "02420a010203"]);
  for (const address of taken) address[Symbol.dispose]();
});
