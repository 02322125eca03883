import { type Platform, choosePlatform, normalizePlatform } from "../core/index.ts";
import { configPlatform } from "./read-config.ts";
import type { ImageConfig } from "./types.ts";

const MAX_MINOR = 9;

/** Returns the arm64 levels that a processor of a level can run, best first. v9.y includes all of v8.(y+5). */
function arm64Levels(variant: string | undefined): (string | undefined)[] {
  const match = /^v([89])(?:\.(\d))?$/.exec(variant ?? "v8");
  if (match === null) return [];
  const minor = Number(match[2] ?? 0);
  const levels = (major: number, from: number): string[] =>
    Array.from({ length: from + 1 }, (_, down) => `v${major}.${from - down}`);
  const own = levels(Number(match[1]), minor);
  const older = match[1] === "9" ? levels(8, Math.min(minor + 5, MAX_MINOR)) : [];
  return [...own, ...older].map(
    (level) => normalizePlatform({ os: "linux", architecture: "arm64", variant: level }).variant,
  );
}

function windowsRelease(version: string | undefined): string | undefined {
  return version === undefined ? undefined : version.split(".").slice(0, 2).join(".");
}

/**
 * True if a build for a platform may use an image: the image's platform is the same, or the wanted platform can run it, as in
 * containerd's default matcher. Only the major and minor Windows versions are compared. False for an image without a platform.
 */
export function matchesPlatform(wanted: Platform, config: ImageConfig): boolean {
  const image = configPlatform(config);
  const normal = normalizePlatform(wanted);
  if (image === undefined || image.os !== normal.os) return false;
  if (image.os === "windows") {
    const releases = [normal.osVersion, image.osVersion].map(windowsRelease);
    if (!releases.includes(undefined) && releases[0] !== releases[1]) return false;
  }
  if (normal.architecture === "arm64" && image.architecture === "arm64")
    return image.variant === normal.variant || arm64Levels(normal.variant).includes(image.variant);
  return choosePlatform(normal, [image], (each) => each) !== undefined;
}
