import { VarveError, withhold } from "../../../core/index.ts";
import { SingleFlight } from "../../../io/index.ts";
import { type Environment, HttpClient } from "../../http-client.ts";
import type { TokenSource } from "../authorizer.ts";
import { commandToken } from "./command.ts";
import { environmentToken } from "./environment.ts";
import { managedToken } from "./managed.ts";
import type { EntraToken, IdentityContext } from "./token.ts";
import { workloadToken } from "./workload.ts";

/** One step of the chain. Returns undefined if it does not apply here. */
type Step = (context: IdentityContext) => Promise<EntraToken | undefined>;

/** The order of Azure's own programs. https://learn.microsoft.com/dotnet/azure/sdk/authentication/credential-chains */
const CHAIN: readonly Step[] = [environmentToken, workloadToken, managedToken, commandToken];

/** Tokens are renewed this long before they end, in milliseconds. */
const MARGIN = 300_000;

/** Gets tokens of the identity of this process: the first that the chain finds. Tokens in use are removed from all messages. */
export class EntraTokens implements TokenSource, Disposable {
  readonly #env: Environment;
  readonly #flight = new SingleFlight<string, EntraToken>();
  readonly #stack = new DisposableStack();
  readonly #client: HttpClient;
  #found: EntraToken | undefined;

  constructor(env: Environment) {
    this.#env = env;
    this.#client = this.#stack.use(new HttpClient({ env, retry: { attempts: 3 } }));
  }

  async token(signal: AbortSignal | undefined): Promise<string> {
    if (this.#found === undefined || this.#found.expires < Date.now() + MARGIN)
      this.#found = await this.#flight.run("token", (shared) => this.#search(shared), signal);
    return this.#found.token;
  }

  forget(): void {
    this.#found = undefined;
  }

  async #search(signal: AbortSignal): Promise<EntraToken> {
    for (const step of CHAIN) {
      const found = await step({ env: this.#env, client: this.#client, signal });
      if (found === undefined) continue;
      this.#stack.use(withhold(found.token));
      return found;
    }
    throw new VarveError("unauthorized", "Cannot use Azure Blob Storage: no credentials were found", {
      hint: "Give secret_access_key or sas_token, set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run az login.",
    });
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}
