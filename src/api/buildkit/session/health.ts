import { setTimeout as sleep } from "node:timers/promises";
import { GrpcCode, GrpcError, invoke, toGrpcError } from "../../../grpc/index.ts";
import { Health } from "../proto/gen/health_pb.ts";
import { called } from "../proto/methods.ts";
import type { ClientSession } from "./client-session.ts";

/** How often a client must show that it lives. Times are in milliseconds. */
export interface HealthRules {
  readonly interval: number;
  readonly timeout: number;
  /** Failures in a row that end the session. */
  readonly failures: number;
}

export const DEFAULT_HEALTH: HealthRules = { interval: 5000, timeout: 15_000, failures: 2 };

/** A check may take that much longer than the one before it, on slow connections. */
const GROWTH = 1.5;

const check = called(Health.method.check);

/** Checks a session until it ends. Ends it if the checks fail, with an error that running calls throw. */
export async function monitorHealth(session: ClientSession, rules: HealthRules): Promise<void> {
  const { signal } = session.client;
  let failures = 0;
  let last = 0;
  while (!signal.aborted) {
    await sleep(rules.interval, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    const started = performance.now();
    const failure = await failureOf(session, Math.max(rules.timeout, last * GROWTH));
    last = performance.now() - started;
    failures = failure === undefined ? 0 : failures + 1;
    if (failure !== undefined && failures >= rules.failures) {
      const message = `session healthcheck failed fatally: ${failure.message}`;
      // The code of the check would be read as that of the calls which end now: "unimplemented" as a client without secrets.
      session.client.close(new GrpcError(GrpcCode.unknown, message, { cause: failure }));
    }
  }
}

async function failureOf({ client }: ClientSession, timeout: number): Promise<GrpcError | undefined> {
  try {
    await invoke(client, check, {}, { timeout });
    return undefined;
  } catch (error) {
    return toGrpcError(error);
  }
}
