import type { StepPolicy } from "../../core/index.ts";
import type { SourceRange } from "../source/source.ts";

/** The fields that all instructions have. */
export interface InstructionBase {
  /** The keyword as written. */
  readonly keyword: string;
  /** The whole instruction as one line, without heredoc bodies. Progress displays show this. */
  readonly code: string;
  /** From the keyword to the last character, including heredoc bodies. */
  readonly range: SourceRange;
  /** The comment lines directly above, without `#`. */
  readonly comments: readonly string[];
  /** What the comments `# varve: …` above say about the cache. */
  readonly policy?: StepPolicy | undefined;
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Written as `key value`, without `=`. */
  readonly legacy: boolean;
}

export interface ArgDefinition {
  readonly key: string;
  readonly value?: string | undefined;
  /** The comment `# <key> <text>` above. */
  readonly description: string;
}

/** A file whose content is in the Dockerfile (a heredoc of ADD or COPY). */
export interface InlineSource {
  readonly path: string;
  readonly data: string;
  /** Variables in the data must be expanded, because the delimiter was not quoted. */
  readonly expand: boolean;
}

/** A heredoc of a command. */
export interface InlineFile {
  readonly name: string;
  readonly data: string;
  /** `<<-`: leading tabs must be removed. */
  readonly chomp: boolean;
}

/** A command. In shell form, `args` is one text for the shell; in exec form, the arguments. */
export interface CommandLine {
  readonly form: "shell" | "exec";
  readonly args: readonly string[];
  readonly files: readonly InlineFile[];
}

export interface CopySources {
  readonly sources: readonly string[];
  readonly inline: readonly InlineSource[];
  readonly destination: string;
}

export interface CopyFlags {
  /** Empty if not given. */
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly exclude: readonly string[];
}

export type MountType = "bind" | "cache" | "tmpfs" | "secret" | "ssh";
export type CacheSharing = "shared" | "private" | "locked";

/** A `RUN --mount`. */
export interface RunMount {
  readonly type: MountType;
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** Size of a tmpfs in bytes. 0 means no limit. */
  readonly size: number;
  readonly id: string;
  readonly sharing?: CacheSharing | undefined;
  readonly required: boolean;
  /** Name of the environment variable for a secret. Empty means the id of the secret. */
  readonly env?: string | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

export interface RunDevice {
  readonly name: string;
  readonly required: boolean;
}

/** A health check. Durations are in nanoseconds; 0 means inherited. `test` begins with NONE, CMD or CMD-SHELL. */
export interface Healthcheck {
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

export interface AddInstruction extends InstructionBase, CopySources, CopyFlags {
  readonly kind: "add";
  readonly keepGitDir?: boolean | undefined;
  readonly checksum: string;
  readonly unpack?: boolean | undefined;
}
export interface ArgInstruction extends InstructionBase {
  readonly kind: "arg";
  readonly args: readonly ArgDefinition[];
}
export interface CmdInstruction extends InstructionBase {
  readonly kind: "cmd";
  readonly command: CommandLine;
}
export interface CopyInstruction extends InstructionBase, CopySources, CopyFlags {
  readonly kind: "copy";
  readonly from: string;
  readonly parents: boolean;
}
export interface EntrypointInstruction extends InstructionBase {
  readonly kind: "entrypoint";
  readonly command: CommandLine;
}
export interface EnvInstruction extends InstructionBase {
  readonly kind: "env";
  readonly variables: readonly KeyValue[];
}
export interface ExposeInstruction extends InstructionBase {
  readonly kind: "expose";
  /** Sorted. Variables are not expanded. */
  readonly ports: readonly string[];
}
export interface HealthcheckInstruction extends InstructionBase {
  readonly kind: "healthcheck";
  readonly healthcheck: Healthcheck;
}
export interface LabelInstruction extends InstructionBase {
  readonly kind: "label";
  readonly labels: readonly KeyValue[];
}
export interface MaintainerInstruction extends InstructionBase {
  readonly kind: "maintainer";
  readonly name: string;
}
export interface OnbuildInstruction extends InstructionBase {
  readonly kind: "onbuild";
  /** The text of the trigger, including heredoc bodies. */
  readonly expression: string;
}
export interface RunInstruction extends InstructionBase {
  readonly kind: "run";
  readonly command: CommandLine;
  /** The values of `--mount`, without expanding variables. `parseMount` parses one. */
  readonly mountTexts: readonly string[];
  /** The mounts before variables are expanded. Only `from` is valid. */
  readonly mounts: readonly RunMount[];
  readonly network: "default" | "none" | "host";
  readonly security: "sandbox" | "insecure";
  readonly devices: readonly RunDevice[];
}
export interface ShellInstruction extends InstructionBase {
  readonly kind: "shell";
  readonly shell: readonly string[];
}
export interface StopsignalInstruction extends InstructionBase {
  readonly kind: "stopsignal";
  readonly signal: string;
}
export interface UserInstruction extends InstructionBase {
  readonly kind: "user";
  readonly user: string;
}
export interface VolumeInstruction extends InstructionBase {
  readonly kind: "volume";
  readonly volumes: readonly string[];
}
export interface WorkdirInstruction extends InstructionBase {
  readonly kind: "workdir";
  readonly path: string;
}

/** Any instruction except FROM, which begins a `Stage`. */
export type Instruction =
  | AddInstruction
  | ArgInstruction
  | CmdInstruction
  | CopyInstruction
  | EntrypointInstruction
  | EnvInstruction
  | ExposeInstruction
  | HealthcheckInstruction
  | LabelInstruction
  | MaintainerInstruction
  | OnbuildInstruction
  | RunInstruction
  | ShellInstruction
  | StopsignalInstruction
  | UserInstruction
  | VolumeInstruction
  | WorkdirInstruction;

/** A FROM and the instructions after it. */
export interface Stage {
  readonly kind: "from";
  readonly keyword: string;
  readonly code: string;
  readonly range: SourceRange;
  readonly comments: readonly string[];
  /** The name in lower case. Empty if the stage has none. */
  readonly name: string;
  /** The image or stage after FROM. Variables are not expanded. */
  readonly base: string;
  /** The value of `--platform`, empty if not given. Variables are not expanded. */
  readonly platform: string;
  /** The comment `# <name> <text>` above. */
  readonly description: string;
  readonly instructions: readonly Instruction[];
}
