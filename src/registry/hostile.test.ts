import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { MediaType, type VarveError, digestOf, isVarveError, parseReference } from "../core/index.ts";
import { bytesOf, collect, temporaryDirectory } from "../io/index.ts";
import { makeCertificates } from "../../testing/certificates.ts";
import { noise } from "../../testing/images.ts";
import { askHelper } from "./auth/credential-helper.ts";
import { Registry, type RegistryOptions, staticCredentials } from "./index.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** A server that does as the test says. */
async function serve(handler: Handler): Promise<AsyncDisposable & { host: string }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => undefined);
    request.on("close", () => undefined);
    request.on("end", () => handler(request, response, Buffer.concat(chunks)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const secret = { kind: "basic", username: "me", password: "hunter2" } as const;

function connect(host: string, options: RegistryOptions = {}): Registry {
  const credentials = staticCredentials([[host, secret]]);
  const config = { registries: { [host]: { http: true } } };
  return new Registry({ credentials, config, env: {}, retry: { first: 1, longest: 2 }, ...options });
}

const rejects = (promise: Promise<unknown>, check: (error: VarveError) => void): Promise<void> =>
  assert.rejects(promise, (error) => {
    assert.ok(isVarveError(error), String(error));
    assert.doesNotMatch(JSON.stringify([error.message, error.hint, error.details]), /hunter2|bWU6aHVudGVyMg/);
    check(error);
    return true;
  });

for (const [why, answer] of [
  ["is endless", (response: ServerResponse) => response.end("x".repeat(2_000_000))],
  ["is no JSON", (response: ServerResponse) => response.end("token")],
  ["has no token", (response: ServerResponse) => response.end("{}")],
  ["breaks a header", (response: ServerResponse) => response.end(JSON.stringify({ token: "a\r\nx: y" }))],
  ["has a token that is no text", (response: ServerResponse) => response.end(JSON.stringify({ token: 5 }))],
] as const) {
  test(`a token response that ${why} is refused`, async () => {
    await using server = await serve((request, response) => {
      if (request.url?.startsWith("/token") === true) return void answer(response);
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${server.host}/token"` }).end();
    });
    using registry = connect(server.host);
    await rejects(registry.ping(server.host), (error) => assert.match(error.code, /remote|limit-exceeded/));
  });
}

test("realms that are none are refused", async () => {
  for (const realm of ["ftp://127.0.0.1/", "nonsense", "http://a:b@127.0.0.1/", "file:///etc/passwd"]) {
    await using server = await serve((_request, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}"` }).end();
    });
    using registry = connect(server.host);
    await rejects(registry.ping(server.host), (error) => assert.equal(error.code, "remote"));
  }
});

for (const credential of [secret, { kind: "identity-token", token: "refresh-token-of-me" }] as const)
  test(`a registry behind TLS cannot have ${credential.kind} sent to a token server without it`, async () => {
    await using directory = await temporaryDirectory();
    const { ca, serverCert, serverKey } = await makeCertificates(directory.path);
    const asked: (string | undefined)[] = [];
    await using tokens = await serve((request, response, body) => {
      asked.push(`${request.method} ${request.headers.authorization ?? ""} ${body.toString()}`);
      response.end('{"token":"t"}');
    });
    const server = createTlsServer({ cert: readFileSync(serverCert), key: readFileSync(serverKey) }, (_, response) =>
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${tokens.host}/token"` }).end(),
    ).listen(0, "127.0.0.1");
    await once(server, "listening");
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const config = { registries: { [host]: { ca }, [tokens.host]: { http: true } } };
    const open = (known: boolean): Registry =>
      connect(host, { config, credentials: staticCredentials(known ? [[host, credential]] : []) });
    try {
      using registry = open(true);
      await rejects(registry.ping(host), (error) => {
        assert.equal(error.code, "unauthorized");
        assert.match(error.message, /its token server .* does not use TLS$/);
      });
      assert.deepEqual(asked, []);
      using stranger = open(false);
      await rejects(stranger.ping(host), () => undefined);
      assert.deepEqual([...new Set(asked)], ["GET  "], "who has nothing to lose may ask");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

test("credentials do not follow a token server elsewhere", async () => {
  const asked: string[] = [];
  await using elsewhere = await serve((request, response) => {
    asked.push(request.url ?? "");
    response.end('{"token":"t"}');
  });
  await using server = await serve((request, response) => {
    if (request.url?.startsWith("/token") === true)
      return void response.writeHead(307, { location: `http://${elsewhere.host}/token` }).end();
    response.writeHead(401, { "www-authenticate": `Bearer realm="http://${server.host}/token"` }).end();
  });
  for (const credential of [secret, { kind: "identity-token", token: "refresh-token-of-me" }] as const) {
    using registry = connect(server.host, { credentials: staticCredentials([[server.host, credential]]) });
    await rejects(registry.ping(server.host), (error) => assert.match(error.message, /answered 307/));
  }
  assert.deepEqual(asked, []);
});

test("a mirror gets its own credentials, and none of the registry's", async () => {
  const shown: string[] = [];
  const basic = (name: string) => (request: IncomingMessage, response: ServerResponse) => {
    if (request.headers.authorization === undefined)
      return void response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    shown.push(`${name} ${Buffer.from(request.headers.authorization.slice(6), "base64").toString()}`);
    response.writeHead(404).end();
  };
  await using mirror = await serve(basic("mirror"));
  await using server = await serve(basic("registry"));
  const config = { registries: { [server.host]: { http: true, mirrors: [`http://${mirror.host}`] } } };
  for (const known of [[server.host], [server.host, mirror.host]]) {
    const credentials = staticCredentials(
      known.map((host) => [host, { ...secret, username: host === mirror.host ? "mirror" : "owner" }]),
    );
    using registry = connect(server.host, { config, credentials });
    await rejects(registry.manifest(parseReference(`${server.host}/a:1`)), () => undefined);
  }
  assert.deepEqual([...new Set(shown)], ["registry owner:hunter2", "mirror mirror:hunter2"]);
});

test("a registry that sends back what it was sent cannot get it into a message", async () => {
  const password = "s3cret-password";
  const token = "opaque-t0ken-of-the-server";
  const said: string[] = [];
  await using server = await serve((request, response) => {
    if (request.url?.startsWith("/token") === true) return void response.end(JSON.stringify({ token }));
    const { authorization = "" } = request.headers;
    const isBasic = request.url?.includes("/basic/") === true;
    const challenge = isBasic ? 'Basic realm="x"' : `Bearer realm="http://${server.host}/token"`;
    if (authorization === "") return void response.writeHead(401, { "www-authenticate": challenge }).end();
    const [, value = ""] = authorization.split(" ");
    const message = `${value}, ${authorization}, ${Buffer.from(value, "base64").toString()}`;
    said.push(message);
    response.writeHead(403).end(JSON.stringify({ errors: [{ code: "DENIED", message: `so: ${message}` }] }));
  });
  const credentials = staticCredentials([[server.host, { kind: "basic", username: "me", password }]]);
  for (const name of ["basic", "bearer"]) {
    using registry = connect(server.host, { credentials });
    await assert.rejects(registry.manifest(parseReference(`${server.host}/${name}/x:1`)), (error: VarveError) => {
      assert.match(error.message, /DENIED: so: \*\*\*/);
      const shown = JSON.stringify([error.message, error.details, error.stack]);
      for (const leak of [password, token, Buffer.from(`me:${password}`).toString("base64")])
        assert.ok(!shown.includes(leak), shown);
      return true;
    });
  }
  assert.match(said.join(), /s3cret-password.*opaque-t0ken/s, "the registry had them");
});

test("a server that is never content is asked three times at most", async () => {
  let asked = 0;
  await using server = await serve((request, response) => {
    if (request.url?.startsWith("/token") === true) return void response.end('{"token":"t"}');
    asked += 1;
    response.writeHead(401, { "www-authenticate": `Bearer realm="http://${server.host}/token",scope="a:b:c"` }).end();
  });
  using registry = connect(server.host);
  await rejects(registry.ping(server.host), (error) => assert.equal(error.code, "unauthorized"));
  assert.equal(asked, 3);
});

test("redirects have an end, and user names in them are refused", async () => {
  let asked = 0;
  await using server = await serve((request, response) => {
    asked += 1;
    const location = request.url?.includes("evil") === true ? "http://a:b@127.0.0.1/" : `/v2/${asked}`;
    response.writeHead(302, { location }).end();
  });
  using registry = connect(server.host);
  await rejects(registry.manifest(parseReference(`${server.host}/a:1`)), (error) =>
    assert.match(error.message, /redirects/),
  );
  assert.equal(asked, 6);
  await rejects(registry.manifest(parseReference(`${server.host}/evil:1`)), (error) =>
    assert.match(error.message, /credentials/),
  );
});

test("a redirect loop is called one", async () => {
  await using server = await serve((request, response) => {
    response
      .writeHead(302, { location: request.url?.endsWith("/1") === true ? "/v2/a/manifests/2" : "/v2/a/manifests/1" })
      .end();
  });
  using registry = connect(server.host);
  await rejects(registry.resolve(parseReference(`${server.host}/a:1`)), (error) => {
    assert.match(error.message, /redirects in a loop, back to/);
    assert.notEqual(error.hint, undefined);
  });
});

test("a manifest larger than its limit, and one of endless length, are refused", async () => {
  await using server = await serve((request, response) => {
    const type = { "content-type": MediaType.ociManifest };
    if (request.method === "HEAD") return void response.writeHead(405).end();
    response.writeHead(200, type);
    const more = (): void => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
      response.once("drain", more);
    };
    more();
  });
  using registry = connect(server.host);
  await rejects(registry.resolve(parseReference(`${server.host}/a:1`)), (error) =>
    assert.equal(error.code, "limit-exceeded"),
  );
});

test("a blob longer than its size is refused before more is passed on", async () => {
  await using server = await serve((_request, response) => void response.end(noise(70_000)));
  using registry = connect(server.host);
  const descriptor = { mediaType: "x/y", digest: digestOf("x"), size: 10 };
  let passed = 0;
  const read = async (): Promise<void> => {
    for await (const chunk of registry.blob(parseReference(`${server.host}/a`), descriptor)) passed += chunk.byteLength;
  };
  await rejects(read(), (error) => assert.equal(error.code, "corrupt"));
  assert.ok(passed <= 10);
});

test("a server that knows no ranges costs bytes, not correctness", async () => {
  const bytes = noise(200_000);
  let asked = 0;
  await using server = await serve((_request, response) => {
    asked += 1;
    response.writeHead(200, { "content-length": bytes.length });
    if (asked > 2) return void response.end(bytes);
    response.write(bytes.subarray(0, 90_000 * asked), () => response.destroy());
  });
  using registry = connect(server.host);
  const descriptor = { mediaType: "x/y", digest: digestOf(bytes), size: bytes.length };
  const back = await collect(registry.blob(parseReference(`${server.host}/a`), descriptor), 1e6, { what: "blob" });
  assert.ok(back.equals(bytes));
});

test("a reader that stops early gives its slot back", async () => {
  const bytes = noise(1_000_000);
  await using server = await serve((_request, response) => void response.end(bytes));
  using registry = connect(server.host, { concurrency: 1 });
  const descriptor = { mediaType: "x/y", digest: digestOf(bytes), size: bytes.length };
  for (let i = 0; i < 12; i += 1) {
    for await (const chunk of registry.blob(parseReference(`${server.host}/a`), descriptor)) {
      assert.ok(chunk.byteLength > 0);
      break;
    }
  }
});

test("an upload goes on from the byte the server names, on another host and without the credentials", async () => {
  const bytes = noise(300_000);
  const stored: Buffer[] = [];
  const authorized: boolean[] = [];
  let cut = false;
  await using storage = await serve((request, response, body) => {
    authorized.push(request.headers.authorization !== undefined);
    const length = (): number => stored.reduce((sum, each) => sum + each.length, 0);
    const location = { location: `${request.url?.replace(/&digest=.*/, "")}` };
    if (request.method === "PUT" && !cut) {
      cut = true;
      stored.push(body.subarray(0, 100_001));
      return void response.destroy();
    }
    if (request.method === "PATCH") stored.push(body);
    if (request.method === "PUT") return void response.writeHead(201).end();
    const status = request.method === "PATCH" ? 202 : 204;
    response.writeHead(status, { ...location, range: `0-${length() - 1}` }).end();
  });
  await using server = await serve((request, response) => {
    if (request.method === "HEAD") return void response.writeHead(404).end();
    if (request.headers.authorization === undefined) {
      return void response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    }
    response.writeHead(202, { location: `http://${storage.host}/up?signed=%2B~%20x` }).end();
  });
  using registry = connect(server.host);
  const descriptor = { mediaType: "x/y", digest: digestOf(bytes), size: bytes.length };
  const pushed = await registry.pushBlob(parseReference(`${server.host}/a`), descriptor, (offset) =>
    bytesOf(bytes.subarray(offset)),
  );
  assert.equal(pushed, "uploaded");
  assert.ok(Buffer.concat(stored).equals(bytes));
  assert.deepEqual(new Set(authorized), new Set([false]));
});

test("lists of tags go over pages of the same server only, and have an end", async () => {
  const links = new Map([
    ["pages", ['</v2/pages/tags/list?last=a&n=1>; rel="next"', undefined]],
    ["away", ["<http://127.0.0.2:1/v2/x>; rel=next"]],
    ["loop", ['</v2/loop/tags/list?n=1000>; rel="next"']],
  ]);
  await using server = await serve((request, response) => {
    const [, , name = ""] = request.url?.split("/") ?? [];
    const page = request.url?.includes("last=") === true ? 1 : 0;
    const link = links.get(name)?.[page];
    response.writeHead(200, link === undefined ? {} : { link });
    response.end(JSON.stringify({ name, tags: [`${name}${page}`] }));
  });
  using registry = connect(server.host);
  const tags = (name: string): Promise<readonly string[]> => registry.tags(parseReference(`${server.host}/${name}`));
  assert.deepEqual(await tags("pages"), ["pages0", "pages1"]);
  assert.deepEqual(await tags("away"), ["away0"]);
  await rejects(tags("loop"), (error) => assert.equal(error.code, "limit-exceeded"));
});

test("a refusal gives its connection back, however often", async () => {
  await using server = await serve((request, response) => {
    if (request.method === "HEAD") return void response.writeHead(404).end();
    if (request.url?.includes("/up/") === true) return void response.writeHead(202, { location: "ftp://x" }).end("x");
    response.writeHead(401, { "www-authenticate": 'Bearer realm="nonsense"' }).end("x");
  });
  using registry = connect(server.host, { concurrency: 1 });
  const descriptor = { mediaType: "x/y", digest: digestOf("x"), size: 1 };
  for (let i = 0; i < 15; i += 1) {
    const pushed = registry.pushBlob(parseReference(`${server.host}/up`), descriptor, () => bytesOf("x"));
    await rejects(pushed, (error) => assert.match(error.message, /location/));
    await rejects(registry.ping(server.host), (error) => assert.match(error.message, /token server/));
  }
});

test("a question for credentials outlives the caller that asked first", async () => {
  await using server = await serve((request, response) => {
    if (request.headers.authorization !== undefined) return void response.end();
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
  });
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<typeof secret>();
  using registry = connect(server.host, { credentials: () => (asked.resolve(), answer.promise) });
  const cancel = new AbortController();
  const first = registry.ping(server.host, { signal: cancel.signal });
  await asked.promise;
  const second = registry.ping(server.host);
  await new Promise((resolve) => setTimeout(resolve, 20));
  cancel.abort();
  await rejects(first, (error) => assert.equal(error.code, "cancelled"));
  answer.resolve(secret);
  await second;
});

test("references that would leave their path are refused", async () => {
  using registry = connect("127.0.0.1:1");
  for (const repository of ["../x", "a/../b", "a//b", "A", "a?b", "a#b", ""]) {
    const resolved = registry.resolve({ registry: "127.0.0.1:1", repository, tag: "x" });
    await rejects(resolved, (error) => assert.equal(error.code, "invalid-argument", repository));
  }
});

test("a credential helper that hangs, floods, fails or talks nonsense is refused", async () => {
  await using directory = await temporaryDirectory();
  const path = process.env["PATH"];
  process.env["PATH"] = `${directory.path}${delimiter}${path}`;
  try {
    for (const [name, script] of [
      ["hang", "exec sleep 30"],
      ["flood", "exec yes hunter2"],
      ["fail", "echo hunter2; exit 3"],
      ["nonsense", "echo hunter2"],
    ] as const) {
      const file = join(directory.path, `docker-credential-${name}`);
      await writeFile(file, `#!/bin/sh\n${script}\n`);
      await chmod(file, 0o755);
      await rejects(askHelper(name, "r.example", { timeout: 2000 }), (error) =>
        assert.equal(error.code, "unauthorized"),
      );
    }
    const aborted = askHelper("hang", "r.example", { signal: AbortSignal.timeout(20) });
    await rejects(aborted, (error) => assert.equal(error.code, "cancelled"));
    await rejects(askHelper("../../bin/sh", "r.example", {}), (error) => assert.equal(error.code, "unauthorized"));
  } finally {
    process.env["PATH"] = path;
  }
});
