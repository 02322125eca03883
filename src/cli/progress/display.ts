import type { BuildEvent } from "../../engine/index.ts";

/** Shows the events of a build. The caller calls `finish` once, after the build has succeeded or failed. */
export interface Display {
  event(event: BuildEvent): void;
  finish(): void;
}
