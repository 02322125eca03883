/** Tables of the cache key store and the cache result store. */
export const cache: string = "";
