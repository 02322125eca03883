import type { CopySources, Instruction, KeyValue } from "../parse/instruction.ts";
import { parseMount } from "../parse/parse-mount.ts";

/** How `expandInstruction` expands texts. */
export interface Expanders {
  /** Expands a word, by the Dockerfile's rules of quoting. */
  readonly word: (text: string) => string;
  /** Expands the body of a heredoc, in which quotes have no meaning. */
  readonly body: (text: string) => string;
}

function expandPairs(pairs: readonly KeyValue[], { word }: Expanders): KeyValue[] {
  return pairs.map(({ key, value, legacy }) => ({ key: word(key), value: word(value), legacy }));
}

function expandSources({ sources, inline, destination }: CopySources, { word, body }: Expanders): CopySources {
  return {
    sources: sources.map(word),
    destination: word(destination),
    inline: inline.map((file) => (file.expand ? { ...file, data: body(file.data) } : file)),
  };
}

/**
 * Returns an instruction with its variables expanded. Does not change ARG and EXPOSE, which callers expand in another way, nor the
 * command of RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK and ONBUILD, which are never expanded.
 * @throws the errors of `expanders`; {VarveError} `invalid-build` for an invalid `--mount`
 */
export function expandInstruction(instruction: Instruction, expanders: Expanders): Instruction {
  const { word } = expanders;
  switch (instruction.kind) {
    case "add": {
      const flags = {
        chown: word(instruction.chown),
        chmod: word(instruction.chmod),
        checksum: word(instruction.checksum),
      };
      return { ...instruction, ...flags, ...expandSources(instruction, expanders) };
    }
    case "copy": {
      const flags = { chown: word(instruction.chown), chmod: word(instruction.chmod) };
      return { ...instruction, ...flags, ...expandSources(instruction, expanders) };
    }
    case "env":
      return { ...instruction, variables: expandPairs(instruction.variables, expanders) };
    case "label":
      return { ...instruction, labels: expandPairs(instruction.labels, expanders) };
    case "run":
      return { ...instruction, mounts: instruction.mountTexts.map((text) => parseMount(text, word)) };
    case "stopsignal":
      return { ...instruction, signal: word(instruction.signal) };
    case "user":
      return { ...instruction, user: word(instruction.user) };
    case "volume":
      return { ...instruction, volumes: instruction.volumes.map(word) };
    case "workdir":
      return { ...instruction, path: word(instruction.path) };
    case "arg":
    case "cmd":
    case "entrypoint":
    case "expose":
    case "healthcheck":
    case "maintainer":
    case "onbuild":
    case "shell":
      return instruction;
  }
}
