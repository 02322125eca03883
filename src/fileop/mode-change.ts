import { VarveError } from "../core/index.ts";

const SET_UID = 0o4000;
const SET_GID = 0o2000;
const STICKY = 0o1000;
const EXECUTE = 0o111;
/** The bits that an `=` without a class clears. */
const STANDARD = SET_UID | SET_GID | 0o777;

/** Returns the new permission bits for the present ones. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

type Operator = "+" | "-" | "=";

/** One operator with its permissions, such as `+rX` or `=u`. */
interface Step {
  readonly operator: Operator;
  /** The bits that may change. 0 if the clause names no class. */
  readonly who: number;
  readonly bits: number;
  /** `X`: sets execute bits of directories and of files that are executable already. */
  readonly conditional: boolean;
  /** Classes whose bits are copied. */
  readonly copies: readonly Class[];
}

type Class = "u" | "g" | "o";

const WHO: Readonly<Record<string, number>> = { u: SET_UID | 0o700, g: SET_GID | 0o070, o: 0o007, a: STANDARD };
const PERMISSIONS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: EXECUTE };
const SHIFT: Readonly<Record<Class, number>> = { u: 6, g: 3, o: 0 };

/**
 * Parses a mode in the syntax of chmod(1): octal, or clauses such as `u+x,go-w,a=rX`. After an operator, `u`, `g` and `o` copy
 * the permissions of that class. A clause without a class applies to all classes; the umask is not used.
 * @throws {VarveError} `invalid-argument` for a malformed mode.
 */
export function parseModeChange(text: string): ModeChange {
  if (/^[0-9]/.test(text)) return octal(text);
  const clauses = text.split(",").map((clause) => parseClause(clause, text));
  const steps = clauses.flat();
  return (mode, isDirectory) => {
    const executable = isDirectory || (mode & EXECUTE) !== 0;
    return steps.reduce((bits, step) => apply(step, bits, executable), mode);
  };
}

function octal(text: string): ModeChange {
  const mode = /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  if (!(mode <= 0o7777)) throw malformed(text);
  return () => mode;
}

function parseClause(clause: string, text: string): Step[] {
  const match = /^([ugoa]*)((?:[-+=][rwxXstugo]*)+)$/.exec(clause);
  if (match === null) throw malformed(text);
  const who = Array.from(match[1] ?? "").reduce((bits, letter) => bits | (WHO[letter] ?? 0), 0);
  const actions = (match[2] ?? "").matchAll(/([-+=])([rwxXstugo]*)/g);
  return Array.from(actions, ([, operator, letters = ""]) => parseAction(operatorOf(operator), letters, who));
}

function operatorOf(text: string | undefined): Operator {
  return text === "+" || text === "-" ? text : "=";
}

function parseAction(operator: Operator, permissions: string, who: number): Step {
  const letters = Array.from(permissions);
  // Set-ID and sticky bits do not apply to "others" alone.
  const special = who === 0 || (who & ~0o007) !== 0;
  const sticky = special && letters.includes("t") ? STICKY : 0;
  let bits = letters.reduce((all, letter) => all | (PERMISSIONS[letter] ?? 0), 0) | sticky;
  if (special && letters.includes("s")) bits |= SET_UID | SET_GID;
  if (operator === "-" && letters.includes("X")) bits |= EXECUTE;
  return {
    operator,
    who: who === 0 ? 0 : who | sticky,
    bits,
    conditional: operator !== "-" && letters.includes("X"),
    copies: letters.filter((letter): letter is Class => letter === "u" || letter === "g" || letter === "o"),
  };
}

function apply(step: Step, mode: number, executable: boolean): number {
  const { operator, bits, conditional, copies } = step;
  const mask = step.who === 0 ? 0o7777 : step.who;
  const copied = copies.reduce((all, from) => all | spread((mode >> SHIFT[from]) & 0o7), 0);
  const wanted = (bits | copied | (conditional && executable ? EXECUTE : 0)) & mask;
  if (operator === "+") return mode | wanted;
  if (operator === "-") return mode & ~wanted;
  return (mode & ~cleared(step)) | wanted;
}

/** Returns the bits that an `=` clears first. If only classes are copied, it does not clear set-ID bits. */
function cleared({ who, bits, conditional, copies }: Step): number {
  const all = who === 0 ? STANDARD : who;
  return copies.length > 0 && bits === 0 && !conditional ? all & 0o777 : all;
}

/** Repeats the three bits of one class for all three classes. */
function spread(bits: number): number {
  return (bits << 6) | (bits << 3) | bits;
}

function malformed(text: string): VarveError {
  return new VarveError("invalid-argument", `Cannot change permissions by ${JSON.stringify(text)}: it is not a mode`, {
    hint: "Use an octal number such as 0755, or clauses such as u+x,go-w.",
  });
}
