import {
  type Digest,
  digestOf,
  formatPlatform,
  isDigest,
  parseReference,
  redact,
  splitEnv,
} from "../../../core/index.ts";
import { type InputFacts, type Part, type Sealer, type StepFacts, placeOf } from "../../../explain/index.ts";
import { hashOf } from "../copy/copy-sources.ts";
import type { StageState } from "../step/stage-state.ts";
import type { Command, Step } from "../step/step.ts";
import type { LookedUp } from "./types.ts";

/** Returns the name of the step of this build that made an image, or had it from the cache. */
export type StepNames = ReadonlyMap<Digest, string>;

/** Lets the sealer know the values that an instruction sets, so that it masks them in texts. */
export function sealCommand(command: Command, sealer: Sealer): void {
  for (const [name, value] of settingsOf(command)) sealer.value(name, value);
}

function settingsOf(command: Command): (readonly [name: string, value: string])[] {
  switch (command.kind) {
    case "env":
      return command.variables.map(({ key, value }) => [key, value] as const);
    case "arg":
      return command.args.map(({ key, value = "" }) => [key, value] as const);
    case "label":
      return command.labels.map(({ key, value }) => [key, value] as const);
    case "label-request":
      return [[command.key, command.value]];
    default:
      return [];
  }
}

/** Returns what decides whether a step is cached. Credentials are sealed, and masked in texts: `sealCommand` has seen the instructions. */
export function classicFacts(looked: LookedUp, name: string, { sealer, names }: FactsContext): StepFacts {
  const { command, step, before, probe } = looked;
  const parts: Part[] = [
    ...argumentParts(command, before, sealer),
    ...sealedVariables(command, step, sealer),
    { kind: "option", name: "platform", value: formatPlatform(probe.platform) },
  ];
  const shown = sealer.mask(name);
  return {
    name: shown,
    place: placeOf(shown),
    instruction: sealer.mask(command.code),
    op: digestOf(JSON.stringify(parts)),
    parts,
    secrets: [],
    inputs: [parentFacts(looked, { sealer, names }), ...sourceFacts(looked, { sealer, names })],
  };
}

export interface FactsContext {
  readonly sealer: Sealer;
  readonly names: StepNames;
}

const VARIABLE = /\$\{?(\w+)/g;

/** The build arguments that a step depends on: all that a command sees, or those that another instruction names. */
function argumentParts(command: Command, { run, args }: StageState, sealer: Sealer): Part[] {
  const named = new Set(Array.from(command.code.matchAll(VARIABLE), ([, name]) => name));
  return args.notIn(run.Env ?? []).flatMap((entry): Part[] => {
    const [name, value] = splitEnv(entry);
    const isUsed = command.kind === "run" ? args.isKeyed(entry) : named.has(name);
    return isUsed ? [{ kind: "arg", name, value: sealer.value(name, value) }] : [];
  });
}

/** Variables whose values are masked in the instruction that sets them, so that a change is seen. */
function sealedVariables(command: Command, { state }: Step, sealer: Sealer): Part[] {
  if (command.kind !== "env") return [];
  const values = new Map((state.run.Env ?? []).map((entry) => splitEnv(entry)));
  return command.variables.flatMap(({ key }): Part[] => {
    const value = values.get(key) ?? "";
    const stored = sealer.value(key, value);
    return stored === value ? [] : [{ kind: "env", name: key, value: stored }];
  });
}

/** The image that a step is based on. */
function parentFacts({ parent, stage }: LookedUp, context: FactsContext): InputFacts {
  if (parent !== undefined) return imageFacts(parent.id, stage.base, context);
  return { name: "scratch", vertex: digestOf("scratch"), kind: "source", source: "scratch", keys: ["scratch"] };
}

/** An image: the result of a step of this build, or one that a name of the Dockerfile means. */
function imageFacts(id: Digest, base: string, { sealer, names }: FactsContext): InputFacts {
  const name = names.get(id);
  if (name !== undefined)
    return { name: sealer.mask(name), vertex: digestOf(name), kind: "step", keys: [], result: id };
  const source = `docker-image://${isDigest(base) ? base : sourceName(base)}@${id}`;
  return { name: base, vertex: id, kind: "source", source: redact(source), keys: [id] };
}

function sourceName(text: string): string {
  const { registry, repository, tag } = parseReference(text);
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}`;
}

/** What COPY and ADD read. */
function sourceFacts({ command, step }: LookedUp, context: FactsContext): InputFacts[] {
  const { work } = step;
  if (work.kind !== "copy") return [];
  const hash = hashOf(work.sources);
  const content = digestOf(hash);
  const read = { content, list: listId(hash) };
  const image = work.sources.find((source) => source.image !== undefined)?.image;
  const from = command.kind === "copy" ? command.from : "";
  if (image !== undefined) return [{ ...imageFacts(image, from, context), ...read }];
  return [{ name: "context", vertex: digestOf("context"), kind: "context", keys: [], ...read }];
}

/** The id of the list of files that a hash covers, which it names. */
function listId(hash: string): string {
  return digestOf(`files of ${hash}`).slice("sha256:".length, "sha256:".length + 32);
}
