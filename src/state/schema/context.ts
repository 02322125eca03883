/** Tables of the per-file checksum cache of build contexts. */
export const context: string = "";
