import { libcCall } from "./libc.ts";

const trim = libcCall("malloc_trim", ["size_t"]);
const option = libcCall("mallopt", ["int", "int"]);
/** M_MMAP_THRESHOLD of mallopt(3), and the value with which glibc starts, in bytes. */
const MMAP_THRESHOLD = -3;
const LARGE = 131_072;

/**
 * Makes large buffers leave the process as soon as they are freed. By default, glibc takes the first that is freed as a sign to put buffers of
 * its size among the small ones, where one small allocation above them keeps them resident: 100 MB of a build that reads 600 MB. Does
 * nothing with another C library.
 */
export function returnLargeBuffers(): void {
  try {
    option.attempt(MMAP_THRESHOLD, LARGE);
  } catch {
    // musl always returns them.
  }
}

/** Gives memory that C and C++ code has freed back to the system. Does nothing with a C library that has no such function (musl). */
export function trimMalloc(): void {
  try {
    trim.attempt(0);
  } catch {
    // musl gives memory back by itself.
  }
}
