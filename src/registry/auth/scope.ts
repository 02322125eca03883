/** What a token allows, as `repository:<name>:<actions>`: distribution's token authentication, scope.md. */
export interface Scope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

const ACTIONS_MAX = 16;

export function repositoryScope(repository: string, ...actions: readonly string[]): Scope {
  return { type: "repository", name: repository, actions };
}

export function formatScope({ type, name, actions }: Scope): string {
  return `${type}:${name}:${actions.join(",")}`;
}

/** Reads scopes separated by spaces and skips anything else. Names may contain colons. */
export function parseScopes(text: string): readonly Scope[] {
  return text
    .split(" ")
    .map((each) => /^([a-z0-9()]+):(.+):([A-Za-z*,]+)$/.exec(each))
    .filter((match) => match !== null)
    .map(([, type = "", name = "", actions = ""]) => ({
      type,
      name,
      actions: actions
        .split(",")
        .filter((action) => action !== "")
        .slice(0, ACTIONS_MAX),
    }));
}

/** One scope per resource with the union of the actions; sorted, so that equal sets have one form. */
export function mergeScopes(scopes: Iterable<Scope>): readonly Scope[] {
  const merged = new Map<string, Scope>();
  for (const scope of scopes) {
    const key = `${scope.type}:${scope.name}`;
    const actions = [...new Set([...(merged.get(key)?.actions ?? []), ...scope.actions])].toSorted();
    merged.set(key, { ...scope, actions });
  }
  return [...merged.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, scope]) => scope);
}

/** True if `held` covers all of `wanted`. */
export function covers(held: readonly Scope[], wanted: readonly Scope[]): boolean {
  return wanted.every((scope) =>
    held.some(
      (other) =>
        other.type === scope.type &&
        other.name === scope.name &&
        scope.actions.every((action) => other.actions.includes(action)),
    ),
  );
}
