import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { connect, createServer } from "node:tls";
import { certificateFor, makeAuthority } from "./certificate.ts";

const authority = makeAuthority();

test("certificates are those of the authority, for names and addresses", () => {
  const own = new X509Certificate(authority.certificate);
  assert.ok(own.ca && own.verify(own.publicKey));
  assert.ok(Date.parse(own.validTo) > Date.now() && Date.parse(own.validFrom) < Date.now());
  for (const host of ["example.com", "a".repeat(200), "192.0.2.1", "2001:db8::1", "::1", "fe80::1:2:3:4"]) {
    const made = new X509Certificate(certificateFor(host, authority).certificate);
    assert.ok(made.checkIssued(own) && made.verify(own.publicKey) && !made.ca, host);
    const found = host.includes(":") || /^[\d.]+$/.test(host) ? made.checkIP(host) : made.checkHost(host);
    assert.equal(found, host);
    assert.equal(made.checkHost("other.example"), undefined);
  }
});

test("a client that trusts the authority trusts its certificates", async () => {
  const { certificate: cert, key } = certificateFor("localhost", authority);
  const server = createServer({ cert, key }, (socket) => socket.end("hello"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const options = { host: "127.0.0.1", port, servername: "localhost" };
  const socket = connect({ ...options, ca: authority.certificate });
  let received = "";
  for await (const chunk of socket) received += String(chunk);
  assert.equal(received, "hello");
  await assert.rejects(
    once(connect(options), "secureConnect"),
    /self-signed certificate in certificate chain|unable to verify/,
  );
  server.close();
});
