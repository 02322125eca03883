import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

/** Collects garbage, all of it that V8 knows. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what V8 makes of the flag
export const collectGarbage = runInNewContext("gc") as () => void;
