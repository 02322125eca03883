import { goQuote, parseGoBool } from "../../core/index.ts";
import { trimSpace } from "../../pattern/index.ts";
import { readDirective } from "../parse/directives.ts";
import { fault } from "../source/fault.ts";
import { LINT_RULES, type LintRule, type LintRuleName } from "./rules.ts";
import type { SourceRange } from "../source/source.ts";

/** A warning of a check. It does not stop a build, unless the `error` option of the checks is set. */
export interface LintWarning {
  readonly rule: LintRuleName;
  readonly message: string;
  readonly description: string;
  readonly url: string;
  readonly range: SourceRange;
}

/** The options of checks: the parsed `check` directive or `BUILDKIT_DOCKERFILE_CHECK` argument. */
export interface LintOptions {
  /** Rules that are skipped. */
  readonly skip: ReadonlySet<string> | "all";
  /** Experimental rules that are checked. */
  readonly experimental: ReadonlySet<string> | "all";
  /** Warnings fail the build. */
  readonly error: boolean;
}

/** Checks all rules except experimental ones. Warnings do not fail the build. */
export const DEFAULT_LINT: LintOptions = { skip: new Set(), experimental: new Set(), error: false };

function rulesOf(value: string): ReadonlySet<string> | "all" {
  return value === "all" ? "all" : new Set(value.split(",").map(trimSpace));
}

/** Splits at semicolons. Like BuildKit, splits at most twice: a fourth option is part of the third. */
function optionsOf(text: string): readonly string[] {
  const [first = "", second, ...rest] = text.split(";");
  return [first, ...(second === undefined ? [] : [second]), ...(rest.length === 0 ? [] : [rest.join(";")])];
}

/**
 * Parses options of checks, such as `skip=A,B;error=true;experimental=all`.
 * @throws {VarveError} `invalid-build` for an unknown option or a malformed value
 */
export function parseLintOptions(text: string): LintOptions {
  if (trimSpace(text) === "") return DEFAULT_LINT;
  let options: LintOptions = DEFAULT_LINT;
  for (const part of optionsOf(trimSpace(text))) {
    const equals = part.indexOf("=");
    if (equals < 0) throw fault(`invalid check option ${goQuote(part)}`, part);
    const key = trimSpace(part.slice(0, equals));
    const value = trimSpace(part.slice(equals + 1));
    if (key === "skip" || key === "experimental") options = { ...options, [key]: rulesOf(value) };
    else if (key === "error") options = { ...options, error: readError(part, value) };
    else throw fault(`invalid check option ${goQuote(key)}`, key);
  }
  return options;
}

function readError(part: string, value: string): boolean {
  const error = parseGoBool(value);
  if (error === undefined) throw fault(`failed to parse check option ${goQuote(part)}`, part);
  return error;
}

function union(a: ReadonlySet<string> | "all", b: ReadonlySet<string> | "all"): ReadonlySet<string> | "all" {
  return a === "all" || b === "all" ? "all" : new Set([...a, ...b]);
}

function has(set: ReadonlySet<string> | "all", rule: string): boolean {
  return set === "all" || set.has(rule);
}

/** Collects the warnings of checks. Drops those that the options skip. */
export class Linter {
  readonly options: LintOptions;
  readonly #found: LintWarning[];

  constructor(options: LintOptions = DEFAULT_LINT, found: LintWarning[] = []) {
    this.options = options;
    this.#found = found;
  }

  /** All warnings so far, in the order in which they were found. */
  get warnings(): readonly LintWarning[] {
    return this.#found;
  }

  /** Adds a warning, unless the options skip its rule. */
  warn(rule: LintRuleName, range: SourceRange, message: string): void {
    const { description, url, experimental }: LintRule = LINT_RULES[rule];
    const isOn = experimental === true ? has(this.options.experimental, rule) : !has(this.options.skip, rule);
    if (isOn) this.#found.push({ rule, message, description, url, range });
  }

  /**
   * Returns a linter for the instruction after these comments. If one of them is `# check=skip=…`, it applies too. Warnings are
   * added to the same list.
   */
  withComments(comments: readonly string[]): Linter {
    const text = comments.map(readDirective).find((found) => found?.name === "check")?.value;
    const extra = text === undefined ? undefined : tryOptions(text.split(" ")[0] ?? "");
    if (extra === undefined) return this;
    const { skip, experimental } = this.options;
    const merged = { skip: union(skip, extra.skip), experimental: union(experimental, extra.experimental) };
    return new Linter({ ...this.options, ...merged }, this.#found);
  }

  /**
   * Fails the build if there are warnings and the `error` option is set.
   * @throws {VarveError} `invalid-build`
   */
  throwIfErrors(): void {
    if (!this.options.error || this.#found.length === 0) return;
    const rules = [...new Set(this.#found.map((warning) => warning.rule))];
    throw fault(`lint violation found for rules: ${rules.join(", ")}`);
  }
}

function tryOptions(text: string): LintOptions | undefined {
  try {
    return parseLintOptions(text);
  } catch {
    return undefined;
  }
}
