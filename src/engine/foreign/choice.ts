import { VarveError, hostPlatform } from "../../core/index.ts";
import { type SourceFile, type SourceRange, detectSyntax, sourceFile, syntaxOf } from "../../dockerfile/index.ts";
import { contextNamed, isBuiltinFrontend } from "../../frontend/index.ts";
import type { FoundDockerfile } from "../context/dockerfile.ts";
import { argumentOptions } from "../options/build-arguments.ts";
import type { CompileSettings } from "../options/compile-settings.ts";

/** A front end that is an image. */
export interface ForeignFrontend {
  readonly image: string;
  /** The image, and words that are for the front end. */
  readonly cmdline: string;
  /** Where the Dockerfile names it. Absent: a build argument does. */
  readonly place?: { readonly file: SourceFile; readonly range: SourceRange } | undefined;
}

type Settings = Pick<
  CompileSettings,
  "frontendImages" | "buildArgs" | "platforms" | "sourceDateEpoch" | "buildContexts" | "namedContexts"
>;

/** Returns the front end that a build or else its Dockerfile names. Undefined if the built-in one compiles the Dockerfile. */
export function foreignFrontend(
  { text, name }: Pick<FoundDockerfile, "text" | "name">,
  settings: Settings,
): ForeignFrontend | undefined {
  if (settings.frontendImages === "never") return undefined;
  const named = argumentFrontend(settings) ?? directiveFrontend(sourceFile(name, Buffer.from(text).toString()));
  return named === undefined || answersItself(named.image, settings) ? undefined : named;
}

/**
 * Returns true if the built-in front end takes the place of an image. A named context with the name of the image says what the image is, so
 * that the built-in one does not.
 */
export function answersItself(
  image: string,
  { frontendImages = "auto", buildContexts = {}, namedContexts }: Settings,
): boolean {
  if (!isBuiltinFrontend(image, frontendImages)) return false;
  const names = [...Object.keys(buildContexts), ...(namedContexts?.keys() ?? [])];
  return contextNamed(new Map(names.map((name) => [name, true])), image, hostPlatform()) === undefined;
}

/** The error of what only the built-in front end does. */
export function unreadable({ image }: ForeignFrontend): VarveError {
  return new VarveError("unsupported", `Cannot read the Dockerfile: its language is that of the front end ${image}`, {
    hint: "pass --frontend-image=never to read it as a Dockerfile all the same",
  });
}

function argumentFrontend(settings: Settings): ForeignFrontend | undefined {
  const { syntax } = argumentOptions(settings);
  return syntax === undefined ? undefined : syntaxOf(syntax);
}

function directiveFrontend(file: SourceFile): ForeignFrontend | undefined {
  const found = detectSyntax(file);
  return found && { image: found.image, cmdline: found.cmdline, place: { file, range: found.range } };
}
