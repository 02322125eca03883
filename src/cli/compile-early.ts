import { setFlagsFromString } from "node:v8";

/**
 * Makes V8 compile each function that runs from now on to machine code at once. By default it interprets a function until it has run many
 * times, which the functions of a server do only after dozens of builds. A command that ends soon is faster without this.
 */
export function compileEarly(): void {
  setFlagsFromString("--always-sparkplug");
}
