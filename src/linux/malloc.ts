import { libcCall } from "./libc.ts";

const trim = libcCall("malloc_trim", ["size_t"]);

/** Gives memory that C and C++ code has freed back to the system. Does nothing with a C library that has no such function (musl). */
export function trimMalloc(): void {
  try {
    trim.attempt(0);
  } catch {
    // musl gives memory back by itself.
  }
}
