import { VarveError } from "../core/index.ts";
import type { SourceOp } from "../llb/index.ts";
import { type Pattern, regex, wildcard } from "./pattern.ts";
import type { AttrConstraint, Policy, Rule, Selector } from "./types.ts";

/** How often the rules may change one source. */
const MAX_MUTATIONS = 20;

function invalid(why: string): VarveError {
  return new VarveError("invalid-argument", why);
}

/**
 * Checks that no part of a policy is missing.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's texts.
 */
function validatePolicy({ rules }: Policy): void {
  for (const rule of rules) {
    if (rule === undefined) throw invalid("invalid nil rule in policy");
    if (rule.selector === undefined) throw invalid("invalid nil selector in policy");
    for (const constraint of rule.selector.constraints ?? [])
      if (constraint === undefined) throw invalid("invalid nil constraint in policy");
  }
}

type CompleteRule = Rule & { readonly selector: Selector };

function completeRules({ rules }: Policy): readonly CompleteRule[] {
  return rules.flatMap((rule) => (rule?.selector === undefined ? [] : [{ ...rule, selector: rule.selector }]));
}

/**
 * Judges sources by rules. Of a policy, the last rule that allows or denies a source counts. A rule that converts a source starts
 * the judgement again, with the changed source and all policies.
 */
export class PolicyEngine {
  readonly #policies: readonly (readonly CompleteRule[])[];
  readonly #patterns = new Map<string, Pattern>();

  /** @throws {VarveError} `invalid-argument` as `validatePolicy`. */
  constructor(policies: readonly Policy[]) {
    for (const policy of policies) validatePolicy(policy);
    this.#policies = policies.map(completeRules);
  }

  /**
   * Returns the source that is to be used: the given one, or what rules made of it.
   *
   * @throws {VarveError} `invalid-build` for a source that a rule denies, or that rules change more than 20 times;
   * `invalid-argument` for a malformed rule; `limit-exceeded` for a regular expression that takes too long.
   */
  evaluate(source: SourceOp): SourceOp {
    let current = source;
    for (let mutations = 0; mutations <= MAX_MUTATIONS; mutations += 1) {
      const next = this.#evaluateOnce(current);
      if (next === undefined) return current;
      current = next;
    }
    throw new VarveError("invalid-build", "too many mutations on a single source: too many operations");
  }

  /** Returns the source after the first rule that changes it; undefined if it is allowed as it is. */
  #evaluateOnce(source: SourceOp): SourceOp | undefined {
    for (const rules of this.#policies) {
      const changed = this.#apply(rules, source);
      if (changed !== undefined) return changed;
    }
    return undefined;
  }

  #apply(rules: readonly CompleteRule[], source: SourceOp): SourceOp | undefined {
    let denied = false;
    for (const rule of rules) {
      if (!this.#matches(rule.selector, source)) continue;
      switch (rule.action) {
        case "ALLOW":
          denied = false;
          break;
        case "DENY":
          denied = true;
          break;
        case "CONVERT": {
          const changed = this.#convert(rule, source);
          if (changed !== undefined) return changed;
          break;
        }
        default:
          throw invalid(
            `source policy: rule ${rule.action} ${rule.selector.identifier}: unknown type ${JSON.stringify(source.identifier)}`,
          );
      }
    }
    if (!denied) return undefined;
    const named = JSON.stringify(source.identifier);
    throw new VarveError("invalid-build", `source ${named} denied by policy: source denied by policy`);
  }

  #matches(selector: Selector, { identifier, attrs }: SourceOp): boolean {
    for (const constraint of selector.constraints ?? [])
      if (constraint !== undefined && !this.#holds(constraint, attrs.get(constraint.key) ?? "")) return false;
    if (selector.identifier === identifier) return true;
    if (selector.matchType === "EXACT") return false;
    return this.#pattern(selector.matchType, selector.identifier).matches(identifier);
  }

  #holds({ condition, value }: AttrConstraint, actual: string): boolean {
    switch (condition) {
      case "EQUAL":
        return actual === value;
      case "NOTEQUAL":
        return actual !== value;
      case "MATCHES":
        return this.#pattern("REGEX", value).matches(actual);
      default:
        throw invalid(`error matching source policy: unknown attr condition: ${condition}`);
    }
  }

  #convert({ selector, updates }: CompleteRule, source: SourceOp): SourceOp | undefined {
    if (updates === undefined) throw invalid("error mutating source policy: missing destination for convert rule");
    const template = updates.identifier === "" ? selector.identifier : updates.identifier;
    const formatted =
      selector.matchType === "EXACT"
        ? template
        : this.#pattern(selector.matchType, selector.identifier).format(source.identifier, template);
    const identifier = formatted === "" ? source.identifier : formatted;
    const attrs = new Map([...source.attrs, ...(updates.attrs ?? [])]);
    const isSame =
      identifier === source.identifier && [...attrs].every(([key, value]) => (source.attrs.get(key) ?? "") === value);
    return isSame ? undefined : { kind: "source", identifier, attrs };
  }

  #pattern(type: Exclude<Selector["matchType"], "EXACT">, text: string): Pattern {
    const key = `${type} ${text}`;
    const known = this.#patterns.get(key);
    if (known !== undefined) return known;
    if (typeof type === "number") throw invalid(`error matching source policy: unknown match type: ${type}`);
    const pattern = type === "REGEX" ? regex(text) : wildcard(text);
    this.#patterns.set(key, pattern);
    return pattern;
  }
}
