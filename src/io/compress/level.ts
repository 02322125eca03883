import { VarveError } from "../../core/index.ts";

const LEVELS = { gzip: { most: 9, usual: 6 }, zstd: { most: 22, usual: 3 } } as const;

/** The level to use; throws `invalid-argument` for one that the format does not have. -1 stands for the usual one. */
export function compressionLevel(type: "gzip" | "zstd", level: number | undefined): number {
  const { most, usual } = LEVELS[type];
  if (level === undefined || level === -1) return usual;
  if (Number.isInteger(level) && level >= 0 && level <= most) return level;
  throw new VarveError("invalid-argument", `Cannot compress with ${type} level ${level}: it goes from 0 to ${most}`);
}
