import { fault } from "../source/fault.ts";

const NAMES =
  "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX";

const SIGNALS: ReadonlySet<string> = new Set([
  ...NAMES.split(" "),
  ...Array.from({ length: 15 }, (_, index) => `RTMIN+${index + 1}`),
  ...Array.from({ length: 14 }, (_, index) => `RTMAX-${index + 1}`),
]);

/**
 * Checks the argument of STOPSIGNAL: the name of a Linux signal, with or without `SIG`, or a number other than 0.
 * @throws {VarveError} `invalid-build`, without a location
 */
export function checkSignal(text: string): void {
  const isNumber = /^[+-]?\d+$/.test(text) && Number(text) !== 0;
  if (!isNumber && !SIGNALS.has(text.toUpperCase().replace(/^SIG/, ""))) throw fault(`invalid signal: ${text}`);
}
