import { findProgram } from "../linux/index.ts";

const MANAGERS = [
  { program: "apt-get", command: "apt-get install -y" },
  { program: "dnf", command: "dnf install -y" },
  { program: "apk", command: "apk add" },
  { program: "zypper", command: "zypper install -y" },
  { program: "pacman", command: "pacman -S --noconfirm" },
] as const;

/** Returns the command that installs a package with this machine's package manager. `debian` is the package's name on Debian if it differs. */
export async function installCommand(name: string, debian: string = name): Promise<string | undefined> {
  for (const { program, command } of MANAGERS) {
    if ((await findProgram(program)) !== undefined) return `${command} ${program === "apt-get" ? debian : name}`;
  }
  return undefined;
}
