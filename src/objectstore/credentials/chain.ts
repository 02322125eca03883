import type { AwsKeys } from "../s3/sign.ts";
import type { Environment, HttpClient } from "../http-client.ts";

/** Keys that end at some time. */
export interface FoundKeys extends AwsKeys {
  /** Milliseconds since 1970; undefined for keys without an end. */
  readonly expires?: number | undefined;
}

/** What the steps of the chain have to work with. */
export interface ChainContext {
  readonly env: Environment;
  readonly region: string;
  readonly client: HttpClient;
  readonly signal?: AbortSignal | undefined;
}
