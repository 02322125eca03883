import { findProgram } from "../linux/index.ts";
import type { Architecture } from "./architectures.ts";

/** How machines install emulators, by their package managers. */
const PACKAGES: readonly (readonly [manager: string, command: (qemu: string) => string])[] = [
  ["apt-get", () => "apt-get install qemu-user-static"],
  ["dnf", () => "dnf install qemu-user-static"],
  ["apk", (qemu) => `apk add qemu-${qemu}`],
  ["zypper", () => "zypper install qemu-linux-user"],
  ["pacman", () => "pacman -S qemu-user-static"],
];

/** Returns a command after which programs of an architecture run: it installs emulators, or registers one if there are some. */
export async function emulatorCommand({ name, qemu }: Architecture, emulators: readonly string[]): Promise<string> {
  for (const [manager, command] of emulators.length > 0 ? [] : PACKAGES)
    if ((await findProgram(manager)) !== undefined) return `sudo ${command(qemu)}`;
  return `docker run --privileged --rm tonistiigi/binfmt --install ${name}`;
}
