import { withhold } from "../../core/index.ts";
import { SingleFlight } from "../../io/index.ts";
import type { AwsKeys } from "../s3/sign.ts";
import { type Environment, HttpClient } from "../http-client.ts";
import type { ChainContext, FoundKeys } from "./chain.ts";
import { containerKeys } from "./container.ts";
import { instanceKeys } from "./instance.ts";
import { profileKeys } from "./profile.ts";
import { webIdentityKeys } from "./web-identity.ts";

/** Keys for signing. */
export interface AwsCredentialSource extends Disposable {
  /** Returns the keys to use now, or undefined if there are none. */
  keys(signal?: AbortSignal): Promise<AwsKeys | undefined>;
  /** The server says that keys have ended: they are looked for again. */
  forget(accessKeyId: string): void;
}

/** One step of the chain. Returns undefined if it does not apply here. */
type Step = (context: ChainContext) => Promise<FoundKeys | undefined>;

/** The order of AWS's own programs. https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html */
const CHAIN: readonly Step[] = [environmentKeys, webIdentityKeys, profileKeys, containerKeys, instanceKeys];

/** Keys are renewed this long before they end, in milliseconds. */
const MARGIN = 300_000;
/** Metadata services are in the same machine or its host: they answer at once, or do not exist. In milliseconds. */
const TIMEOUTS = { connect: 1000, idle: 5000 };

/** Finds keys: those that were given, else the first that the chain finds. */
export class AwsCredentials implements AwsCredentialSource {
  readonly #given: AwsKeys | undefined;
  readonly #env: Environment;
  readonly #region: string;
  readonly #flight = new SingleFlight<string, FoundKeys | undefined>();
  readonly #stack = new DisposableStack();
  #client: HttpClient | undefined;
  #found: FoundKeys | undefined;

  constructor({
    keys,
    region,
    env,
  }: {
    readonly keys?: AwsKeys | undefined;
    readonly region: string;
    readonly env: Environment;
  }) {
    this.#given = keys;
    this.#env = env;
    this.#region = region;
    if (keys !== undefined) this.#keepSecret(keys);
  }

  async keys(signal?: AbortSignal): Promise<AwsKeys | undefined> {
    if (this.#given !== undefined) return this.#given;
    if (this.#found !== undefined && (this.#found.expires ?? Infinity) > Date.now() + MARGIN) return this.#found;
    this.#found = await this.#flight.run("keys", (shared) => this.#search(shared), signal);
    return this.#found;
  }

  forget(accessKeyId: string): void {
    if (this.#found?.accessKeyId === accessKeyId) this.#found = undefined;
  }

  async #search(signal: AbortSignal | undefined): Promise<FoundKeys | undefined> {
    const retry = { attempts: 3 };
    this.#client ??= this.#stack.use(new HttpClient({ env: this.#env, timeouts: TIMEOUTS, retry }));
    const context = { env: this.#env, region: this.#region, client: this.#client, signal };
    for (const step of CHAIN) {
      const found = await step(context);
      if (found === undefined) continue;
      this.#keepSecret(found);
      return found;
    }
    return undefined;
  }

  #keepSecret({ secretAccessKey, sessionToken = "" }: AwsKeys): void {
    this.#stack.use(withhold(secretAccessKey, sessionToken));
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}

async function environmentKeys({ env }: ChainContext): Promise<FoundKeys | undefined> {
  const accessKeyId = env["AWS_ACCESS_KEY_ID"] ?? "";
  const secretAccessKey = env["AWS_SECRET_ACCESS_KEY"] ?? "";
  if (accessKeyId === "" || secretAccessKey === "") return undefined;
  return await Promise.resolve({ accessKeyId, secretAccessKey, sessionToken: env["AWS_SESSION_TOKEN"] || undefined });
}

/** Returns the keys that AWS's own programs would use in an environment, or undefined if there are none. */
export async function findAwsKeys(
  env: Environment,
  { region, signal }: { readonly region: string; readonly signal?: AbortSignal | undefined },
): Promise<AwsKeys | undefined> {
  using credentials = new AwsCredentials({ region, env });
  return await credentials.keys(signal);
}
