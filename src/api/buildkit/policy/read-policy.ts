import type { Policy, PolicyAction as Action, Rule, Selector } from "../../../sourcepolicy/index.ts";
import {
  AttrMatch,
  MatchType,
  PolicyAction,
  type Policy as PolicyMessage,
  type Rule as RuleMessage,
  type Selector as SelectorMessage,
} from "../proto/gen/policy_pb.ts";

const ACTIONS: ReadonlyMap<number, Action> = new Map([
  [PolicyAction.ALLOW, "ALLOW"],
  [PolicyAction.DENY, "DENY"],
  [PolicyAction.CONVERT, "CONVERT"],
]);

const MATCH_TYPES: ReadonlyMap<number, "WILDCARD" | "EXACT" | "REGEX"> = new Map([
  [MatchType.WILDCARD, "WILDCARD"],
  [MatchType.EXACT, "EXACT"],
  [MatchType.REGEX, "REGEX"],
]);

const CONDITIONS: ReadonlyMap<number, "EQUAL" | "NOTEQUAL" | "MATCHES"> = new Map([
  [AttrMatch.EQUAL, "EQUAL"],
  [AttrMatch.NOTEQUAL, "NOTEQUAL"],
  [AttrMatch.MATCHES, "MATCHES"],
]);

/** Converts a client's policy. */
export function readPolicy({ rules }: PolicyMessage): Policy {
  return { rules: rules.map(readRule) };
}

/** Converts what happens to a source. A value that is not known stays a number. */
export function actionOf(action: number): Action {
  return ACTIONS.get(action) ?? action;
}

function readRule({ action, selector, updates }: RuleMessage): Rule {
  return {
    action: actionOf(action),
    selector: selector && readSelector(selector),
    updates: updates && { identifier: updates.identifier, attrs: new Map(Object.entries(updates.attrs)) },
  };
}

function readSelector({ identifier, matchType, constraints }: SelectorMessage): Selector {
  return {
    identifier,
    matchType: MATCH_TYPES.get(matchType) ?? matchType,
    constraints: constraints.map(({ key, value, condition }) => ({
      key,
      value,
      condition: CONDITIONS.get(condition) ?? condition,
    })),
  };
}
