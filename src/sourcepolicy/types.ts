/**
 * Rules about the sources of a build: BuildKit's `moby.buildkit.v1.sourcepolicy.Policy`. Messages from outside may lack parts, so
 * that these may be undefined: see `validatePolicy`.
 */
export interface Policy {
  readonly rules: readonly (Rule | undefined)[];
}

/** One rule. */
export interface Rule {
  readonly action: PolicyAction;
  readonly selector: Selector | undefined;
  /** What a source becomes, for `CONVERT`. */
  readonly updates?: Update | undefined;
}

/** What happens to a source that a rule matches. A number stands for a value that is not known here. */
export type PolicyAction = "ALLOW" | "DENY" | "CONVERT" | number;

/** Which sources a rule matches. An identifier that equals that of the source always matches. */
export interface Selector {
  readonly identifier: string;
  readonly matchType: "WILDCARD" | "EXACT" | "REGEX" | number;
  /** All of them must hold. */
  readonly constraints?: readonly (AttrConstraint | undefined)[] | undefined;
}

/** A condition on an attribute of a source. An attribute that is not set is empty. */
export interface AttrConstraint {
  readonly key: string;
  readonly value: string;
  readonly condition: "EQUAL" | "NOTEQUAL" | "MATCHES" | number;
}

/** What a source becomes. */
export interface Update {
  /** May contain `${1}` for what the first `*` or group matched. Empty: the identifier of the rule's selector. */
  readonly identifier: string;
  /** Attributes that are set. Others are kept. */
  readonly attrs?: ReadonlyMap<string, string> | undefined;
}
