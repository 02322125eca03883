export { CacheGraph } from "./document/graph.ts";
export type { CacheLink, CacheNode, CacheResult } from "./document/graph-types.ts";
export {
  type Time,
  ZERO_TIME,
  formatGoTime,
  parseGoTime,
  timeFromMilliseconds,
  timeToMilliseconds,
} from "./document/time.ts";
