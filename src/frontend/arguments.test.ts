import assert from "node:assert/strict";
import { test } from "node:test";
import { build, vertexNamed } from "../../testing/dockerfile-host.ts";

const TARGET = { os: "linux", architecture: "arm", variant: "v7" } as const;

test("the arguments that need no ARG before FROM, and what they are", async () => {
  const expected: Record<string, string> = {
    BUILDPLATFORM: "linux/amd64",
    BUILDOS: "linux",
    BUILDOSVERSION: "",
    BUILDARCH: "amd64",
    BUILDVARIANT: "",
    TARGETPLATFORM: "linux/arm/v7",
    TARGETOS: "linux",
    TARGETOSVERSION: "",
    TARGETARCH: "arm",
    TARGETVARIANT: "v7",
    TARGETSTAGE: "default",
  };
  for (const [name, value] of Object.entries(expected)) {
    const text = `FROM scratch\nLABEL before="$${name}"\nARG ${name}\nLABEL after="$${name}"`;
    const { image } = await build(text, { targetPlatform: TARGET });
    assert.deepEqual({ ...image.config.Labels }, { before: "", after: value }, name);
    const given = await build(text, { targetPlatform: TARGET, buildArgs: new Map([[name, "mine"]]) });
    assert.deepEqual({ ...given.image.config.Labels }, { before: "", after: "mine" }, name);
  }
});

test("proxies reach steps without ARG, in no key and no config", async () => {
  for (const name of ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "all_proxy"]) {
    const made = await build("FROM base\nRUN x", { buildArgs: new Map([[name, "p"]]) });
    const { op } = vertexNamed(made, "RUN x");
    assert.ok(op.kind === "exec");
    assert.ok(Object.values(op.meta.proxyEnv ?? {}).includes("p"), name);
    assert.ok(!op.meta.env.some((entry) => entry.endsWith("=p")), name);
    assert.ok(!JSON.stringify(made.image).includes(name), name);
  }
});

test("SOURCE_DATE_EPOCH is the time of what is made; arguments for SBOMs never reach steps", async () => {
  const buildArgs = new Map([
    ["SOURCE_DATE_EPOCH", "1700000000"],
    ["BUILDKIT_SBOM_SCAN_STAGE", "true"],
  ]);
  const made = await build("FROM base\nARG BUILDKIT_SBOM_SCAN_STAGE\nRUN x", { buildArgs });
  assert.equal(made.epoch, 1_700_000_000);
  assert.equal(made.image.history?.at(-1)?.created, "2023-11-14T22:13:20Z");
  const { op } = vertexNamed(made, "RUN x");
  assert.ok(op.kind === "exec" && !op.meta.env.some((entry) => entry.includes("SBOM")));
});
