import { splitEnv } from "../../../core/index.ts";
import { type Change, type Sealer, isSealed } from "../../../explain/index.ts";
import type { ContainerConfig } from "../../../image/index.ts";
import { COPY_HASH, type NearestChild, splitCommand } from "../../nearest-child.ts";

type Variable = Extract<Change, { readonly kind: "variable" }>;

/** Returns what differs between the container config of an image and that of a step. Values that may be credentials are not shown. */
export function configChanges(
  { config: before, fields }: NearestChild,
  after: ContainerConfig,
  sealer: Sealer,
): Change[] {
  return fields.flatMap((field): Change[] => {
    if (field === "Cmd") return commandChanges(before, after, sealer);
    if (field === "Env") return variableChanges("ENV", before.Env ?? [], after.Env ?? [], sealer);
    if (field === "Labels") return labelChanges(before.Labels ?? new Map(), after.Labels ?? new Map(), sealer);
    return [{ kind: "option", name: field, before: shown(before[field]), after: shown(after[field]) }];
  });
}

/** The commands are the same but for their build arguments and the files that they copy. */
function commandChanges(before: ContainerConfig, after: ContainerConfig, sealer: Sealer): Change[] {
  const [old, now] = [splitCommand(before), splitCommand(after)];
  const [text = "", newText = ""] = [old, now].map(({ words }) => words.at(-1) ?? "");
  const [hash, newHash] = [text, newText].map((each) => COPY_HASH.exec(each)?.[0]);
  const keyword = /^#\(nop\) (\w+)/.exec(newText)?.[1] ?? "the command";
  return [
    ...variableChanges("ARG", old.args, now.args, sealer),
    ...(hash === newHash
      ? []
      : [{ kind: "option", name: `files of ${keyword}`, before: hash, after: newHash } as const]),
  ];
}

function variableChanges(
  of: Variable["of"],
  before: readonly string[],
  after: readonly string[],
  sealer: Sealer,
): Variable[] {
  return changedNames(new Map(before.map(splitEnv)), new Map(after.map(splitEnv))).map(([name, old, now]) => {
    const values = [old, now].map((value) => (value === undefined ? undefined : sealer.value(name, value)));
    const hidden = values.some((value) => value !== undefined && isSealed(value));
    return { kind: "variable", of, name, hidden, ...(hidden ? {} : { before: old, after: now }) };
  });
}

function labelChanges(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  sealer: Sealer,
): Change[] {
  const safe = (name: string, value: string | undefined): string | undefined =>
    value === undefined || sealer.value(name, value) === value ? value : "(value not shown)";
  return changedNames(before, after).map(([name, old, now]) => ({
    kind: "option",
    name: `LABEL ${name}`,
    before: safe(name, old),
    after: safe(name, now),
  }));
}

type ChangedName = readonly [name: string, before: string | undefined, after: string | undefined];

function changedNames(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): ChangedName[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].flatMap((name): ChangedName[] => {
    const [old, now] = [before.get(name), after.get(name)];
    return old === now ? [] : [[name, old, now]];
  });
}

/** Returns a field of a config as text. Absent and empty ones are the same. */
function shown(value: ContainerConfig[keyof ContainerConfig]): string | undefined {
  if (value === undefined || value === "" || value === false) return undefined;
  if (typeof value === "string") return value;
  const plain = value instanceof Set || value instanceof Map ? [...value.keys()] : value;
  return Array.isArray(plain) && plain.length === 0 ? undefined : JSON.stringify(plain);
}
