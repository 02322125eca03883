import {
  type ArgInstruction,
  type Dockerfile,
  type Instruction,
  type Stage,
  isGitSource,
} from "../../dockerfile/index.ts";

/** Arguments that BuildKit sets and the classic builder does not. */
const PLATFORM_ARGS: ReadonlySet<string> = new Set(
  ["TARGET", "BUILD"].flatMap((side) => ["PLATFORM", "OS", "ARCH", "VARIANT"].map((part) => side + part)),
);
const PLATFORM_ARG = /\$\{?((?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT))\b/;

/** Names of arguments whose values the request or the Dockerfile gives. */
type Given = ReadonlySet<string>;

/**
 * Returns the first feature of a Dockerfile that only BuildKit has, such as `RUN --mount`, in the stages to build. Undefined if the
 * classic builder executes all of it. This is the only place that decides which builder a Dockerfile needs.
 */
export function buildkitFeature(
  { file, stages }: { readonly file: Dockerfile; readonly stages: readonly { readonly stage: Stage }[] },
  buildArgs: ReadonlyMap<string, string | null>,
): string | undefined {
  if (file.syntax !== undefined) return "# syntax";
  const args = givenArgs(file.globalArgs, buildArgs);
  for (const { stage } of stages) {
    const name = PLATFORM_ARG.exec(`${stage.platform} ${stage.base}`)?.[1];
    if (name !== undefined && !args.has(name)) return `ARG ${name}`;
    const feature = firstFeature(stage.instructions, args);
    if (feature !== undefined) return feature;
  }
  return undefined;
}

/** Returns the first feature of instructions that only BuildKit has. `given` are the names of arguments that have a value. */
export function firstFeature(instructions: readonly Instruction[], given: Given): string | undefined {
  for (const instruction of instructions) {
    const feature = featureOf(instruction, given);
    if (feature !== undefined) return feature;
  }
  return undefined;
}

function givenArgs(globalArgs: readonly ArgInstruction[], buildArgs: ReadonlyMap<string, string | null>): Given {
  const declared = globalArgs.flatMap(({ args }) => args.filter(({ value }) => value !== undefined));
  const passed = [...buildArgs].filter(([, value]) => value !== null);
  return new Set([...declared.map(({ key }) => key), ...passed.map(([key]) => key)]);
}

function featureOf(instruction: Instruction, given: Given): string | undefined {
  if (hasHeredoc(instruction)) return "a here-document";
  switch (instruction.kind) {
    case "run":
      return flagged("RUN", firstFlag(instruction.code));
    case "copy":
      return flagged("COPY", copyFlag(instruction));
    case "add":
      return flagged("ADD", copyFlag(instruction)) ?? gitSource(instruction.sources);
    case "arg":
      return platformArg(instruction, given);
    default:
      return undefined;
  }
}

function flagged(keyword: string, flag: string | undefined): string | undefined {
  return flag === undefined ? undefined : `${keyword} --${flag}`;
}

function hasHeredoc(instruction: Instruction): boolean {
  return (
    ("inline" in instruction && instruction.inline.length > 0) ||
    ("command" in instruction && instruction.command.files.length > 0)
  );
}

/** Returns the first flag in an instruction's text. The parser returns only the values of flags. */
function firstFlag(code: string): string | undefined {
  return /^\S+\s+--([a-z-]+)/i.exec(code)?.[1];
}

function copyFlag(command: Extract<Instruction, { kind: "copy" | "add" }>): string | undefined {
  if (command.chmod !== "") return "chmod";
  if (command.link) return "link";
  if (command.exclude.length > 0) return "exclude";
  if (command.kind === "copy") return command.parents ? "parents" : undefined;
  if (command.checksum !== "") return "checksum";
  if (command.keepGitDir !== undefined) return "keep-git-dir";
  return command.unpack === undefined ? undefined : "unpack";
}

function gitSource(sources: readonly string[]): string | undefined {
  return sources.some(isGitSource) ? "ADD of a git repository" : undefined;
}

function platformArg({ args }: ArgInstruction, given: Given): string | undefined {
  const found = args.find(({ key, value }) => value === undefined && PLATFORM_ARGS.has(key) && !given.has(key));
  return found && `ARG ${found.key}`;
}
