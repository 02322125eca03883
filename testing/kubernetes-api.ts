/** The part of Kubernetes' API that buildx's driver calls, for what it asks of a cluster. It starts no containers. */
import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type KubernetesObject, decodeObject } from "./kubernetes-objects.ts";

export interface KubernetesApi extends AsyncDisposable {
  /** A configuration of clients. */
  readonly kubeconfig: string;
  /** What a client has made, by the last part of its path and its name: `deployments/varve0`. */
  readonly made: ReadonlyMap<string, KubernetesObject>;
  /** Commands that a client wanted to run in containers. All of them are refused. */
  readonly commands: readonly (readonly string[])[];
}

/** Starts the server. Deployments are ready at once, with a running pod for each replica. */
export async function startKubernetesApi(): Promise<KubernetesApi> {
  const made = new Map<string, KubernetesObject>();
  const commands: string[][] = [];
  const server = createServer((request, response) => void answer(request, response));
  server.on("upgrade", ({ url = "" }, socket) => {
    commands.push(new URL(url, "http://api").searchParams.getAll("command"));
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [kind = "", name] =
      new URL(request.url ?? "", "http://api").pathname.split("/namespaces/default/")[1]?.split("/") ?? [];
    const say = (status: number, body: object): void =>
      void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.method === "POST") {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = decodeObject(kind, Buffer.concat(chunks));
      made.set(`${kind}/${body.metadata.name}`, body);
      return say(201, { metadata: body.metadata });
    }
    if (kind === "pods") return say(200, { kind: "PodList", apiVersion: "v1", items: pods() });
    const found = made.get(`${kind}/${name}`);
    if (found === undefined)
      return say(404, { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound", code: 404 });
    say(200, { metadata: found.metadata, status: { readyReplicas: found.spec?.replicas } });
  }

  function pods(): object[] {
    return [...made.values()].flatMap(({ metadata, spec }) =>
      Array.from({ length: spec?.replicas ?? 0 }, (_, index) => ({
        metadata: { name: `${metadata.name}-${index}`, namespace: "default" },
        spec: { containers: spec?.template.spec.containers.map(({ name }) => ({ name })) },
        status: { phase: "Running" },
      })),
    );
  }

  const { port } = server.address() as AddressInfo;
  return {
    kubeconfig: kubeconfig(`http://127.0.0.1:${port}`),
    made,
    commands,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function kubeconfig(server: string): string {
  return `apiVersion: v1
kind: Config
clusters: [{ name: test, cluster: { server: "${server}" } }]
users: [{ name: test, user: {} }]
contexts: [{ name: test, context: { cluster: test, user: test, namespace: default } }]
current-context: test
`;
}
