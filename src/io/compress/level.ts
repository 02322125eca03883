import { VarveError } from "../../core/index.ts";

const LEVELS = { gzip: { most: 9, usual: 6 }, zstd: { most: 22, usual: 3 } } as const;

/** Returns the level to use; -1 is the default. Throws `invalid-argument` for a level that the format does not have. */
export function compressionLevel(type: "gzip" | "zstd", level: number | undefined): number {
  const { most, usual } = LEVELS[type];
  if (level === undefined || level === -1) return usual;
  if (Number.isInteger(level) && level >= 0 && level <= most) return level;
  throw new VarveError("invalid-argument", `Cannot compress with ${type} level ${level}: it goes from 0 to ${most}`);
}
