import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { type Dockerd, newerDocker, startDockerd } from "../../testing/dockerd.ts";
import { startKubernetesApi } from "../../testing/kubernetes-api.ts";
import type { PodSpec } from "../../testing/kubernetes-objects.ts";
import { packagesUnavailable } from "../../testing/npm-access.ts";
import { printedOf } from "../../testing/progress.ts";
import { type RegistryServer, startRegistry } from "../../testing/registry-server.ts";
import { StockClients, clientsUnavailable } from "../../testing/stock-clients.ts";
import { Varve, busyboxImage } from "../../testing/varve.ts";
import { buildVarveImages } from "../../testing/varve-image.ts";

const skip = clientsUnavailable("dockerd", "docker", "containerd", "runc") ?? (await packagesUnavailable());
const DOCKERFILE = `FROM BASE AS build
RUN --mount=type=cache,target=/cache echo "made by $(id -u)" > /made && (sleep 600 &)
FROM BASE
COPY --from=build /made /made
`;
/** The machine has no other network for containers of this daemon. */
const NETWORK = ["--network", "host"];
const UNCONFINED = ["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"];

suite("the image of Varve in the place of BuildKit's", { skip, timeout: 500_000 }, () => {
  const stack = new AsyncDisposableStack();
  let varve: Varve;
  let registry: RegistryServer;
  let dockerd: Dockerd;
  let clients: StockClients;
  let context: string;
  const image = (tag: string): string => `${registry.host}/varve:${tag}`;

  before(async () => {
    varve = stack.use(await Varve.open());
    registry = stack.use(await startRegistry());
    const base = await busyboxImage(varve, `${registry.host}/base:1`);
    assert.equal((await varve.run(["push", base])).code, 0);
    await buildVarveImages(varve, [{ tag: image("1") }, { tag: image("rootless"), target: "rootless" }]);
    dockerd = stack.use(await startDockerd({ newer: newerDocker() ?? "" }));
    clients = await StockClients.open(join(varve.folder, "home"), { DOCKER_HOST: `unix://${dockerd.socket}` });
    context = await varve.context("app", DOCKERFILE.replaceAll("BASE", base));
  });
  after(async () => await stack.disposeAsync());

  const build = async (builder: string, ...flags: readonly string[]): Promise<string> =>
    (await clients.run(["buildx", "build", "--builder", builder, ...flags, context])).stderr;

  test("the docker-container driver starts it, builds, loads the result, and finds the cache after a restart", async () => {
    const config = join(varve.folder, "buildkitd.toml");
    writeFileSync(config, "[worker.oci]\n  labels = { place = 'here' }\n");
    const options = ["--driver-opt", `image=${image("1")},network=host`, "--buildkitd-config", config];
    const flags = ["--buildkitd-flags", "--allow-insecure-entitlement=network.host"];
    await clients.run(["buildx", "create", "--name", "boxed", "--driver", "docker-container", ...options, ...flags]);
    assert.match(printedOf(await build("boxed", "--load", "-t", "app:1"), "RUN --mount"), /^DONE/m);
    assert.equal(await dockerd.docker(["run", "--rm", "--network=none", "app:1", "cat", "/made"]), "made by 0\n");
    const { stdout } = await clients.run(["buildx", "inspect", "boxed"]);
    assert.match(stdout, /^Status: +running$/m);
    assert.match(stdout, /^ place: +here$/m);
    assert.match(stdout, /snapshotter: +overlayfs$/m);
    await build("boxed", "--network=host", "--allow=network.host");
    await clients.run(["buildx", "stop", "boxed"]);
    assert.match(printedOf(await build("boxed"), "RUN --mount"), /^CACHED$/m);
    await untilAlone("buildx_buildkit_boxed0");
    await clients.run(["buildx", "rm", "boxed"]);
  });

  /** Waits until a container has no process but its init and the server: a tunnel of a client ends shortly after the client. */
  async function untilAlone(name: string): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const processes = await dockerd.docker(["top", name, "-o", "pid,stat,args"]);
      if (processes.trim().split("\n").length === 3) return;
      assert.ok(attempt < 100, `only an init and the server:\n${processes}`);
      await sleep(200);
    }
  }

  /** Starts what a pod is. Returns the name of the container. */
  async function startPod(name: string, { containers: [pod] }: PodSpec, configuration: string): Promise<string> {
    const { privileged, seccompProfile } = pod.securityContext ?? {};
    const volumes = (pod.volumeMounts ?? []).map(({ mountPath }) =>
      mountPath === "/etc/buildkit" ? `--volume=${configuration}:${mountPath}:ro` : `--volume=${mountPath}`,
    );
    const env = (pod.env ?? []).map((each) => `--env=${each.name}=${each.value}`);
    const access = [
      ...(privileged === true ? ["--privileged"] : []),
      ...(seccompProfile?.type === "Unconfined" ? UNCONFINED : []),
    ];
    await dockerd.docker([
      "run",
      "-d",
      "--name",
      name,
      ...NETWORK,
      ...access,
      ...env,
      ...volumes,
      pod.image,
      ...(pod.args ?? []),
    ]);
    await ready(name, pod.readinessProbe.handler.exec.command);
    if (pod.livenessProbe !== undefined)
      await dockerd.docker(["exec", name, ...pod.livenessProbe.handler.exec.command]);
    return name;
  }

  async function ready(name: string, probe: readonly string[]): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const { code, stderr } = await dockerd.tryDocker(["exec", name, ...probe]);
      if (code === 0) return;
      if (attempt === 100) throw new Error(`${name} is not ready: ${stderr}${await dockerd.docker(["logs", name])}`);
      await sleep(200);
    }
  }

  test("pods of the kubernetes driver get ready, and share a cache in a registry", async () => {
    await using api = await startKubernetesApi();
    const env = { KUBECONFIG: join(varve.folder, "kubeconfig") };
    writeFileSync(env.KUBECONFIG, api.kubeconfig);
    const config = join(varve.folder, "pods.toml");
    writeFileSync(config, "[worker.oci]\n  max-parallelism = 2\n");
    const options = `image=${image("1")},replicas=2,env.MARK=a`;
    const flags = ["--buildkitd-config", config, "--buildkitd-flags", "--allow-insecure-entitlement=network.host"];
    const create = ["buildx", "create", "--name", "pool", "--driver", "kubernetes", "--driver-opt", options, ...flags];
    await clients.run([...create, "--bootstrap"], { env });
    const refused = await clients.try(["buildx", "build", "--builder", "pool", context], { env });
    assert.notEqual(refused.code, 0, "no cluster passes the builder on");
    assert.deepEqual(api.commands[0], ["buildctl", "dial-stdio"]);

    const deployment = [...api.made].find(([name]) => name.startsWith("deployments/"))?.[1];
    const files = [...api.made].find(([name]) => name.startsWith("configmaps/"))?.[1].data ?? [];
    assert.ok(deployment?.spec !== undefined);
    assert.deepEqual(
      files.map(({ key }) => key),
      ["buildkitd.toml"],
    );
    const configuration = join(varve.folder, "configmap");
    mkdirSync(configuration);
    for (const { key, value } of files) writeFileSync(join(configuration, key), value);
    const { template } = deployment.spec;
    for (const pod of ["pool-0", "pool-1"]) {
      await startPod(pod, template.spec, configuration);
      await clients.run(["buildx", "create", "--name", pod, "--driver", "remote", `docker-container://${pod}`]);
    }
    const cache = `type=registry,ref=${registry.host}/app:cache`;
    assert.match(printedOf(await build("pool-0", `--cache-to=${cache},mode=max`), "RUN --mount"), /^DONE/m);
    assert.match(printedOf(await build("pool-1", `--cache-from=${cache}`), "RUN --mount"), /^CACHED$/m);
    assert.match(await dockerd.docker(["exec", "pool-1", "varve", "history", "builds"]), /completed/);
    for (const pod of ["pool-0", "pool-1"]) await dockerd.docker(["stop", pod]);
    assert.equal((await dockerd.docker(["inspect", "-f", "{{.State.ExitCode}}", "pool-0"])).trim(), "0");
  });

  test("the rootless variant builds as user 1000, in a container without privileges", async () => {
    const unmasked = ["--security-opt", "systempaths=unconfined"];
    await dockerd.docker(["run", "-d", "--name", "plain", ...NETWORK, ...UNCONFINED, ...unmasked, image("rootless")]);
    await ready("plain", ["buildctl", "debug", "workers"]);
    await clients.run(["buildx", "create", "--name", "plain", "--driver", "remote", "docker-container://plain"]);
    assert.match(printedOf(await build("plain", "--load", "-t", "app:2"), "RUN --mount"), /^DONE/m);
    assert.equal(await dockerd.docker(["run", "--rm", "--network=none", "app:2", "cat", "/made"]), "made by 0\n");
    assert.match(await dockerd.docker(["exec", "plain", "id", "-u"]), /^1000$/m);
    assert.match((await clients.run(["buildx", "inspect", "plain"])).stdout, /snapshotter: +overlayfs$/m);
    await dockerd.docker(["rm", "--force", "plain"]);
  });
});
