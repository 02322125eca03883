import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../../core/index.ts";
import { checkHostname, hostsFile, resolversFile } from "./files.ts";

const STUB =
  "# by systemd\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch a.example b.example\nsortlist 1.2.3.4\n";

function refused(body: () => unknown): void {
  assert.throws(body, (error) => isVarveError(error, "invalid-argument"));
}

test("hosts are BuildKit's and those asked for", () => {
  const text = hostsFile("box", [
    { host: "db", ip: "10.0.0.1" },
    { host: "six", ip: "[fe80::1]" },
  ]);
  assert.equal(
    text,
    "127.0.0.1\tlocalhost box\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.1\tdb\nfe80::1\tsix\n",
  );
  refused(() => hostsFile("box", [{ host: "a b", ip: "10.0.0.1" }]));
  refused(() => hostsFile("box", [{ host: "a", ip: "10.0.0.1\n1.1.1.1 evil" }]));
});

test("a local name server stays where it can be reached", () => {
  const rest = "search a.example b.example\noptions edns0 trust-ad\nsortlist 1.2.3.4\n";
  assert.equal(resolversFile("default", {}, STUB), `nameserver 127.0.0.53\n${rest}`);
  assert.equal(
    resolversFile("none", {}, "nameserver ::1\nnameserver 127.0.0.1\nnameserver 10.0.0.2\n"),
    "nameserver 10.0.0.2\n",
  );
  assert.match(resolversFile("none", {}, STUB), /^nameserver 8\.8\.8\.8\n(nameserver .*\n){3}search/);
  assert.match(resolversFile("host", {}, ""), /^nameserver 8\.8\.8\.8\n/);
});

test("requested DNS settings override the machine's", () => {
  const dns = { servers: ["127.0.0.1", "fe80::1%eth0"], search: ["x"], options: ["ndots:1"] };
  assert.equal(
    resolversFile("none", dns, STUB),
    "nameserver 127.0.0.1\nnameserver fe80::1%eth0\nsearch x\noptions ndots:1\nsortlist 1.2.3.4\n",
  );
  refused(() => resolversFile("none", { servers: ["dns.example"] }, STUB));
  refused(() => resolversFile("none", { search: ["a\nnameserver 1.1.1.1"] }, STUB));
  refused(() => resolversFile("none", { options: [""] }, STUB));
});

test("malformed name servers are skipped", () => {
  assert.equal(
    resolversFile("host", {}, "nameserver\nnameserver bogus\nnameserver 1.1.1.1 junk\n;x\nsearch\n"),
    "nameserver 1.1.1.1\n",
  );
});

test("a machine's name is one the kernel takes", () => {
  assert.equal(checkHostname("a-1.b_c"), "a-1.b_c");
  for (const name of ["", "-a", "a b", "a\0", "x".repeat(65), "é"]) refused(() => checkHostname(name));
});
