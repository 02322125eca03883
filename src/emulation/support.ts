/** How programs of a platform run on this machine. */
export type Support =
  /** The kernel runs them: by itself, or by an emulator that is registered with it. */
  | { readonly kind: "direct" }
  /** An emulator runs them for processes of a user namespace. `path` names the namespace. */
  | { readonly kind: "namespace"; readonly path: string }
  /** An emulator runs them that is started with the program as its argument, as BuildKit's. `path` is on this machine. */
  | { readonly kind: "wrapper"; readonly path: string }
  /** The kernel runs them by an emulator that it looks for at `interpreter` in the root filesystem of the program. */
  | ({ readonly kind: "inside"; readonly interpreter: string } & MissingEmulator)
  | ({ readonly kind: "missing" } & MissingEmulator);

/** Why programs do not run here. */
export interface MissingEmulator {
  /** Completes a sentence: `there is no emulator for linux/arm64`. */
  readonly why: string;
  /** A command that helps. */
  readonly fix: string;
}
