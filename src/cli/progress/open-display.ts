import type { Display } from "./display.ts";
import { PlainDisplay } from "./plain.ts";
import { QuietDisplay } from "./quiet.ts";
import { RawJsonDisplay } from "./rawjson.ts";
import type { Screen } from "./screen.ts";
import { TerminalDisplay } from "./terminal.ts";

export const PROGRESS_MODES = ["auto", "tty", "plain", "rawjson", "quiet"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** Returns the display for a mode. `auto` is `tty` on a terminal, and `plain` otherwise. */
export function openDisplay(mode: ProgressMode, screen: Screen): Display {
  switch (mode) {
    case "quiet":
      return new QuietDisplay(screen);
    case "rawjson":
      return new RawJsonDisplay(screen);
    case "plain":
      return new PlainDisplay(screen);
    case "tty":
      return new TerminalDisplay(screen);
    case "auto":
      return screen.isTTY ? new TerminalDisplay(screen) : new PlainDisplay(screen);
  }
}
