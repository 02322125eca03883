import type { BuildEvent } from "../../engine/index.ts";

/** Shows what a build tells. `finish` is called once, when the build has ended however it did. */
export interface Display {
  event(event: BuildEvent): void;
  finish(): void;
}
