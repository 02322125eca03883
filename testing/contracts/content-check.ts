import type { ContentStore } from "../../src/content/index.ts";

export type Check = (what: string, body: (store: ContentStore) => Promise<void>) => void;
