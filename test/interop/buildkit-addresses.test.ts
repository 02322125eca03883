import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFile, mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { remoteClients, startServing } from "../../testing/buildkit-server.ts";
import { type Certificates, makeCertificates } from "../../testing/certificates.ts";
import { StockClients, clientsUnavailable } from "../../testing/stock-clients.ts";
import { Varve } from "../../testing/varve.ts";

const skip = clientsUnavailable("openssl", "python3");
/** A build that needs no base, no network and no runtime. */
const SCRATCH = "FROM scratch\nLABEL a=b\n";

/** Passes a listening socket on as descriptor 3, as systemd does. */
const ACTIVATE = `import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])`;

suite("addresses of a server of BuildKit's API", { skip }, () => {
  let varve: Varve;
  let certificates: Certificates;
  before(async () => {
    varve = await Varve.open();
    certificates = await makeCertificates(varve.folder);
  });
  after(async () => await varve?.[Symbol.asyncDispose]());

  async function builds(clients: StockClients): Promise<void> {
    await clients.run(["buildx", "build", "-"], { input: SCRATCH });
  }

  test("TCP with certificates serves buildx and docker, and nobody without one", async () => {
    const { ca, serverCert, serverKey, clientCert, clientKey } = certificates;
    const tls = ["--tlsverify", `--tlscacert=${ca}`, `--tlscert=${serverCert}`, `--tlskey=${serverKey}`];
    const listen = ["--buildkit=tcp://127.0.0.1:0", "--docker=tcp://127.0.0.1:0"];
    await using server = await startServing(varve, ["serve", ...tls, ...listen], { count: 2 });
    const buildkit =
      server.addresses.find((address) => server.printed.includes(`BuildKit API listen on ${address}`)) ?? "";
    const docker = server.addresses.find((address) => address !== buildkit) ?? "";
    const options = [`cacert=${ca}`, `cert=${clientCert}`, `key=${clientKey}`, "servername=localhost"];
    await builds(await remoteClients(join(varve.folder, "tls"), buildkit, ...options));
    const files = join(varve.folder, "docker-certificates");
    await mkdir(files);
    const names = { "ca.pem": ca, "cert.pem": clientCert, "key.pem": clientKey };
    for (const [name, path] of Object.entries(names)) await copyFile(path, join(files, name));
    const env = { DOCKER_HOST: docker, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: files };
    await builds(await StockClients.open(join(varve.folder, "docker-tls"), env));
    const stranger = await remoteClients(
      join(varve.folder, "no-tls"),
      buildkit,
      `cacert=${ca}`,
      "servername=localhost",
    );
    const { code } = await stranger.try(["buildx", "inspect", "--timeout=2s"]);
    const { stdout } = await stranger.try(["buildx", "ls"]);
    assert.doesNotMatch(stdout, /varve0 .*running/, `exit code ${code}`);
  });

  test("TCP on loopback without certificates, when it is allowed", async () => {
    const args = ["serve", "--insecure-tcp", "--buildkit=tcp://127.0.0.1:0"];
    await using server = await startServing(varve, args);
    await builds(await remoteClients(join(varve.folder, "insecure"), server.addresses[0] ?? ""));
  });

  test("a socket that another process has opened", async () => {
    const path = join(varve.folder, "activated.sock");
    const wrapper = ["python3", "-c", ACTIVATE, path];
    await using server = await startServing(varve, ["buildkitd", "--root", varve.root, "--addr=fd://"], { wrapper });
    assert.equal(server.addresses.length, 1);
    await builds(await remoteClients(join(varve.folder, "activated"), `unix://${path}`));
  });

  test("varve buildctl dial-stdio connects a client by its standard input and output", async () => {
    const address = `unix://${join(varve.folder, "behind.sock")}`;
    await using _server = await startServing(varve, ["buildkitd", "--root", varve.root, "--addr", address]);
    const front = createServer((socket) => {
      const dialer = varve.start(["buildctl", "--addr", address, "dial-stdio"]);
      if (dialer.stdin === null || dialer.stdout === null) throw new Error("the command has no pipes");
      for (const stream of [socket, dialer.stdin, dialer.stdout]) stream.on("error", () => undefined);
      socket.pipe(dialer.stdin);
      dialer.stdout.pipe(socket);
    });
    const path = join(varve.folder, "front.sock");
    front.listen(path);
    await once(front, "listening");
    try {
      await builds(await remoteClients(join(varve.folder, "dialled"), `unix://${path}`));
    } finally {
      front.close();
    }
    const workers = await varve.run(["buildctl", "--addr", address, "debug", "workers"]);
    assert.match(workers.stdout, /^ID +PLATFORMS\n[0-9a-z]{25} +linux\//);
  });
});
