/** Paths of the programs that start a runtime in its own namespaces. */
export interface LaunchTools {
  readonly setpriv: string;
  readonly unshare: string;
  readonly shell: string;
}

export interface LaunchPlan {
  readonly tools: LaunchTools;
  /** Arguments of the runtime, itself first. */
  readonly command: readonly string[];
  /** Directory for crun's temporary files, which it would otherwise create in /tmp and leave there if killed. */
  readonly scratch: string;
  /** Mount points to unmount in the step's mount namespace. */
  readonly hiddenMounts: readonly string[];
  /** Directories that an empty filesystem covers in the step's mount namespace. */
  readonly coveredMounts: readonly string[];
  /** Directory at which the step's mount namespace has an empty tmpfs. The script then says "ready" and waits for an answer. */
  readonly secretDirectory: string | undefined;
  /** What starts the programs that follow in the network of the step; nothing for the machine's. */
  readonly enterNetwork: readonly string[];
  /** Files of control groups. The first process writes "0" to each to enter the group. */
  readonly groupFiles: readonly string[];
}

/** Descriptor of the launcher's control socket. */
export const CONTROL = 3;
/** Descriptor of the step's standard error. The launcher has one of its own: it writes a message if the step is killed. */
const STEP_ERRORS = 4;
/** Descriptors of the pid, mount, network and user namespaces that another runtime joins. No process of a step may have them. */
export const NAMESPACES = [5, 6, 7, 8] as const;
/** What a shell writes to the control socket before it waits for a line from there. */
export const READY = "ready";

const WAIT = [`echo ${READY} >&${CONTROL}`, `read -r answer <&${CONTROL} || exit 125`];

/** Waits for the name of a script, and runs it. */
export const WAITING_SCRIPT: string = [...WAIT, `. "./$answer"`].join("\n");

/** Returns the script that makes the waiting shell a step's runtime, in a mount namespace of its own. */
export function launchScript(plan: LaunchPlan): string {
  const { tools, scratch, groupFiles, enterNetwork } = plan;
  const inside = mountCommands(plan);
  const unshare = [...enterNetwork, tools.unshare, "--mount", "--mount-proc"];
  // A limit on processes allows for the runtime, but not for umount and mount: the groups are entered after these.
  const enter = groupFiles.map((path) => checked(`echo 0 >${quoted(path)}`));
  const lines =
    inside.length === 0
      ? [...enter, become([...unshare, ...plan.command])]
      : [`exec ${words([...unshare, tools.shell, "-c", [...inside, ...enter, become(plan.command)].join("\n")])}`];
  return [`export _LIBCONTAINER_STATEDIR=${quoted(scratch)}`, ...lines, ""].join("\n");
}

/** Returns the script that makes a shell a runtime, which joins a step that runs. */
export function joinScript({
  command,
  scratch,
  groupFiles,
}: Pick<LaunchPlan, "command" | "scratch" | "groupFiles">): string {
  const enter = groupFiles.map((path) => checked(`echo 0 >${quoted(path)}`));
  const closed = NAMESPACES.map((descriptor) => `${descriptor}<&-`).join(" ");
  return [`export _LIBCONTAINER_STATEDIR=${quoted(scratch)}`, ...enter, `${become(command)} ${closed}`].join("\n");
}

function mountCommands({ hiddenMounts, coveredMounts, secretDirectory }: LaunchPlan): string[] {
  const hide = [
    ...hiddenMounts.map((path) => `umount -l ${quoted(path)}`),
    ...coveredMounts.map((path) => `mount -t tmpfs -o ro,nosuid,nodev,noexec,mode=0755 tmpfs ${quoted(path)}`),
  ].map(checked);
  if (secretDirectory === undefined) return hide;
  return [...hide, checked(`mount -t tmpfs -o nosuid,nodev,mode=0711 tmpfs ${quoted(secretDirectory)}`), ...WAIT];
}

/** A command that ends the launcher if it fails, with its message on the control socket. */
function checked(command: string): string {
  return `{ ${command}; } >&${CONTROL} 2>&${CONTROL} || exit 125`;
}

/** Replaces the shell, with the step's descriptors only. */
function become(command: readonly string[]): string {
  return `exec ${words(command)} 2>&${STEP_ERRORS} ${STEP_ERRORS}>&- ${CONTROL}>&-`;
}

function words(command: readonly string[]): string {
  return command.map(quoted).join(" ");
}

/** Returns a text as one word of a shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
