export type { DoctorReport, Fact } from "./fact.ts";
export { doctorFacts } from "./facts.ts";
export { type LostBlobReport, type StoreVerification, verifyStore } from "./verify-store.ts";
