import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import { hostPlatform, isVarveError } from "../../../core/index.ts";
import { credentialOf, hostOfKey, staticCredentials } from "../../../registry/index.ts";
import { type Endpoint, registryFor } from "../api.ts";
import { errorResponse, apiError } from "../errors.ts";
import { allApiImages } from "../images/api-image.ts";
import { readJson } from "../json-body.ts";
import { authOf } from "../registry-auth.ts";
import { ok, text } from "../respond.ts";
import { NEWEST, OLDEST } from "../version.ts";

const INDEX_SERVER = "https://index.docker.io/v1/";

export const ping: Endpoint = ({ request }, { buildkit }) => {
  const answer = text(200, request.method === "HEAD" ? "" : "OK");
  const headers = {
    ...answer.headers,
    "Builder-Version": buildkit === undefined ? "1" : "2",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    Pragma: "no-cache",
    Swarm: "inactive",
  };
  return { ...answer, headers };
};

export const version: Endpoint = (_call, { programVersion }) => {
  const machine = { Os: "linux", Arch: hostPlatform().architecture, KernelVersion: release() };
  const api = { ApiVersion: NEWEST, MinAPIVersion: OLDEST };
  const made = { GitCommit: "", GoVersion: `node ${process.versions.node}`, BuildTime: "" };
  return ok({
    Platform: { Name: "Varve" },
    Components: [
      { Name: "Engine", Version: programVersion, Details: { ...api, ...machine, ...made, Experimental: "true" } },
    ],
    Version: programVersion,
    Experimental: true,
    ...api,
    ...made,
    ...machine,
  });
};

export const info: Endpoint = async (_call, { store, programVersion }) =>
  ok({
    ID: createHash("sha256").update(`${hostname()}\0${store.root}`).digest("hex").slice(0, 32),
    Containers: 0,
    ContainersRunning: 0,
    ContainersPaused: 0,
    ContainersStopped: 0,
    Images: (await allApiImages(store)).length,
    Driver: "varve",
    DriverStatus: [],
    Plugins: { Volume: [], Network: ["bridge", "host", "null"], Authorization: null, Log: [] },
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: true,
    PidsLimit: true,
    IPv4Forwarding: true,
    Debug: false,
    NFd: 0,
    OomKillDisable: false,
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: "",
    CgroupDriver: "cgroupfs",
    NEventsListener: 0,
    KernelVersion: release(),
    OperatingSystem: operatingSystem(),
    OSVersion: "",
    OSType: "linux",
    Architecture: arch() === "x64" ? "x86_64" : arch() === "arm64" ? "aarch64" : arch(),
    IndexServerAddress: INDEX_SERVER,
    RegistryConfig: {
      InsecureRegistryCIDRs: ["127.0.0.0/8", "::1/128"],
      IndexConfigs: { "docker.io": { Name: "docker.io", Mirrors: [], Secure: true, Official: true } },
      Mirrors: [],
    },
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: store.root,
    HttpProxy: "",
    HttpsProxy: "",
    NoProxy: "",
    Name: hostname(),
    Labels: [],
    ExperimentalBuild: true,
    ServerVersion: programVersion,
    Runtimes: {},
    DefaultRuntime: "",
    Swarm: {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    },
    LiveRestoreEnabled: false,
    Isolation: "",
    InitBinary: "",
    ContainerdCommit: { ID: "" },
    RuncCommit: { ID: "" },
    InitCommit: { ID: "" },
    SecurityOptions: ["name=seccomp,profile=builtin"],
    Warnings: null,
  });

function operatingSystem(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
  } catch {
    return "Linux";
  }
}

/** Tries credentials on a registry. Does not store them: clients send them with each request that needs them. */
export const auth: Endpoint = async ({ request }, api) => {
  // The Docker daemon answers a malformed body with 500 here.
  const entry = authOf(await readJson(request, { malformed: 500 }));
  const address = entry.serveraddress ?? "";
  const host = hostOfKey(address === "" ? INDEX_SERVER : address);
  using registry = registryFor(api, staticCredentials([[host, credentialOf(entry)]]));
  try {
    await registry.ping(host, { signal: request.signal });
    return ok({ IdentityToken: "", Status: "Login Succeeded" });
  } catch (error) {
    return isVarveError(error, "unauthorized")
      ? errorResponse(apiError(401, error.message, error))
      : errorResponse(error);
  }
};
