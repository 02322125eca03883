export { copyState } from "./copy.ts";
export { type DatabaseReader, inspectState } from "./inspect.ts";
export { type Database, type Row, type SqlValue, type TransactionOptions, openState } from "./state.ts";
export type { Tables } from "./tables.ts";
