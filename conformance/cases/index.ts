import type { ConformanceCase } from "../case.ts";
import { COPY } from "./copy.ts";
import { METADATA } from "./metadata.ts";
import { RUN } from "./run.ts";
import { SQUASH } from "./squash.ts";
import { STAGES } from "./stages.ts";

export const CASES: readonly ConformanceCase[] = [...METADATA, ...RUN, ...COPY, ...STAGES, ...SQUASH];
