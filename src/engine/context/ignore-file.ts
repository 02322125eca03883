import { lineRange, located, sourceFile } from "../../dockerfile/index.ts";
import { PatternMatcher, parseIgnoreLines } from "../../pattern/index.ts";

/** Returns the patterns of an ignore file. Throws `invalid-build` with the line of a malformed pattern. */
export function readIgnorePatterns(name: string, content: Uint8Array): string[] {
  const file = sourceFile(name, Buffer.from(content).toString("utf8"));
  return parseIgnoreLines(content).map(({ pattern, line }) =>
    located(file, lineRange(file, line), `${name} line ${line}: `, () => {
      void new PatternMatcher([pattern]);
      return pattern;
    }),
  );
}
