export { type StateReader, inspectState } from "./inspect.ts";
export { type Row, type SqlValue, type State, type TransactionOptions, openState } from "./state.ts";
export type { Tables } from "./tables.ts";
