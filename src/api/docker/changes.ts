import { withEnv } from "../../core/index.ts";
import { VarveError } from "../../core/index.ts";
import { type Instruction, parseDockerfile } from "../../dockerfile/index.ts";
import {
  type ContainerConfig,
  DEFAULT_SHELL,
  healthcheckConfig,
  withExposedPorts,
  withLabels,
  withTrigger,
  withVolumes,
} from "../../image/index.ts";
import { apiError } from "./errors.ts";

/**
 * Applies `changes`, each a Dockerfile instruction, to a config. Throws 400 for a malformed instruction, and for one that
 * does not only change the config.
 */
export function applyChanges(config: ContainerConfig, changes: readonly string[]): ContainerConfig {
  return changes
    .filter((change) => change.trim() !== "")
    .flatMap((change) => readChange(change))
    .reduce(applyChange, config);
}

function readChange(change: string): readonly Instruction[] {
  const keyword = (/^\s*(\S+)/.exec(change)?.[1] ?? "").toUpperCase();
  if (!ALLOWED.has(keyword)) throw apiError(400, `${keyword} is not a valid change command`);
  try {
    return parseDockerfile(`FROM scratch\n${change}\n`).stages.flatMap((stage) => stage.instructions);
  } catch (error) {
    throw error instanceof VarveError ? apiError(400, error.message, error) : error;
  }
}

const ALLOWED = new Set(
  "CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR".split(" "),
);

function applyChange(config: ContainerConfig, change: Instruction): ContainerConfig {
  switch (change.kind) {
    case "cmd":
      return { ...config, Cmd: commandOf(change.command) };
    case "entrypoint":
      return { ...config, Entrypoint: commandOf(change.command) };
    case "env":
      return { ...config, Env: withEnv(config.Env ?? [], change.variables) };
    case "expose":
      return withExposedPorts(config, change.ports.map(withProtocol));
    case "label":
      return withLabels(config, change.labels);
    case "volume":
      return withVolumes(config, change.volumes);
    case "user":
      return { ...config, User: change.user };
    case "workdir":
      return { ...config, WorkingDir: change.path };
    case "stopsignal":
      return { ...config, StopSignal: change.signal };
    case "onbuild":
      return withTrigger(config, change.expression);
    case "healthcheck":
      return { ...config, Healthcheck: healthcheckConfig(change.healthcheck) };
    default:
      throw apiError(400, `${change.keyword.toUpperCase()} is not a valid change command`);
  }
}

function commandOf({ form, args }: { readonly form: "shell" | "exec"; readonly args: readonly string[] }): string[] {
  return form === "shell" ? [...DEFAULT_SHELL, ...args] : [...args];
}

function withProtocol(port: string): string {
  return port.includes("/") ? port : `${port}/tcp`;
}
