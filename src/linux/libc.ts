import { createRequire } from "node:module";
import type koffiModule from "koffi";
import type { KoffiFunc } from "koffi";
import { systemError } from "./errno.ts";
import type { Path } from "./path.ts";

type Koffi = typeof koffiModule;
type Argument = number | bigint | Buffer | null | (string | null)[];
type Native = KoffiFunc<(...args: Argument[]) => number>;

/** The C types the bound functions need. Pointers take a `Buffer` or null, lists of strings an array that ends with null. */
type CType = "int" | "uint" | "long" | "ulong" | "size_t" | "int64_t" | "void *" | "const char **";

let koffi: Koffi | undefined;
let libc: ReturnType<Koffi["load"]> | undefined;

/** Loaded at the first system call, not at import: it costs about 17 ms. */
function load(): Koffi {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- koffi is a CommonJS module, loaded by `require`
  koffi ??= createRequire(import.meta.url)("koffi") as Koffi;
  // The process's own symbols: whichever libc (glibc or musl) Node itself runs on.
  libc ??= koffi.load(null);
  return koffi;
}

function native(name: string, result: CType, args: readonly CType[]): Native {
  load();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- koffi returns a function of the type it is given
  return libc?.func(name, result, [...args]) as Native;
}

/** What a failed call is about, for its error. */
export interface Subject {
  readonly path?: Path | undefined;
  readonly dest?: Path | undefined;
}

/** A libc function that returns -1 and sets errno when it fails. */
export interface Call {
  /** Calls it on this thread; throws a `SystemError`. */
  (subject: Subject, ...args: Argument[]): number;
  /** Calls it on this thread; returns the negative errno instead of throwing. */
  attempt(...args: Argument[]): number;
  /** Calls it on a thread of libuv's pool. */
  async(subject: Subject, ...args: Argument[]): Promise<number>;
}

/** Binds a function at its first call. */
export function libcCall(name: string, args: readonly CType[], result: CType = "int", shown: string = name): Call {
  let known: Native | undefined;
  const bound = (): Native => (known ??= native(name, result, args));
  const attempt = (...values: Argument[]): number => {
    const returned = bound()(...values);
    return returned === -1 ? -load().errno() : returned;
  };
  const call = (subject: Subject, ...values: Argument[]): number => {
    const returned = attempt(...values);
    if (returned < 0) throw systemError(-returned, shown, subject.path, subject.dest);
    return returned;
  };
  const async = (subject: Subject, ...values: Argument[]): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    bound().async(...values, (error: unknown, returned: number | bigint) => {
      // The errno of the pool's thread is this thread's errno for the length of the callback.
      const errno = Number(returned) === -1 ? load().errno() : 0;
      // `values` is named here so that the buffers live until the call is over.
      if (error !== null && error !== undefined) reject(error);
      else if (errno !== 0) reject(systemError(errno, shown, subject.path, subject.dest));
      else resolve(values.length >= 0 ? Number(returned) : 0);
    });
    return promise;
  };
  return Object.assign(call, { attempt, async });
}

/**
 * A system call that libc has no function for. The number may differ by architecture; those above 424 are the same
 * everywhere.
 */
export function systemCall(
  name: string,
  number: number | { x64: number; arm64: number },
  args: readonly CType[],
): Call {
  const call = libcCall("syscall", ["long", ...args], "long", name);
  const resolved = (): number => {
    if (typeof number === "number") return number;
    if (process.arch === "x64" || process.arch === "arm64") return number[process.arch];
    throw Object.assign(new Error(`ENOSYS: ${name} on ${process.arch}`), { code: "ENOSYS", syscall: name });
  };
  return Object.assign((subject: Subject, ...values: Argument[]) => call(subject, resolved(), ...values), {
    attempt: (...values: Argument[]) => call.attempt(resolved(), ...values),
    async: (subject: Subject, ...values: Argument[]) => call.async(subject, resolved(), ...values),
  });
}
