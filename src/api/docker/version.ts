/** Range of Engine API versions that are served. A request without a version uses the newest. */
export const NEWEST = "1.51";
export const OLDEST = "1.24";

/** Compares dotted version numbers: `1.9` < `1.24`. A missing part counts as 0. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split("."), b.split(".")];
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = Number(left[i] || 0) - Number(right[i] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function isAtLeast(version: string, least: string): boolean {
  return compareVersions(version, least) >= 0;
}

/** Returns the Docker daemon's error message for a version that is not served; undefined for one that is. */
export function refusedVersion(version: string): string | undefined {
  if (compareVersions(version, OLDEST) < 0)
    return `client version ${version} is too old. Minimum supported API version is ${OLDEST}, please upgrade your client to a newer version`;
  if (compareVersions(version, NEWEST) > 0)
    return `client version ${version} is too new. Maximum supported API version is ${NEWEST}`;
  return undefined;
}
