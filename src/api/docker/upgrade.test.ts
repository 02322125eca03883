import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { startDockerServer } from "../../../testing/docker-server.ts";
import { recordsMissing } from "../../../testing/records.ts";
import { type Codec, GrpcClient, GrpcCode, invoke } from "../../grpc/index.ts";

const bytes: Codec<Uint8Array> = { encode: (message) => message, decode: (message) => message };
const control = { service: "moby.buildkit.v1.Control", request: bytes, response: bytes };

test(
  "BuildKit's API is served to clients that speak gRPC to Docker's socket",
  { skip: recordsMissing() ?? false },
  async () => {
    await using docker = await startDockerServer({ buildkit: true });
    const socket = connect(docker.socket);
    await once(socket, "connect");
    using client = new GrpcClient(socket);
    const info = await invoke(client, { ...control, name: "Info" }, new Uint8Array());
    assert.match(Buffer.from(info).toString(), /varve/);
    await assert.rejects(invoke(client, { ...control, name: "Nope" }, new Uint8Array()), {
      code: GrpcCode.unimplemented,
    });
    assert.equal((await docker.ask("GET", "/_ping")).text, "OK");
  },
);
