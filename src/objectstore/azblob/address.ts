import { VarveError } from "../../core/index.ts";
import { encodeKey, encodeQuery } from "../encoding.ts";

/** Where a container is. */
export interface ContainerPlace {
  /** URL of the account's blob service: `https://account.blob.core.windows.net`. */
  readonly accountUrl: string;
  /** Default: the first label of the URL's host. */
  readonly account?: string | undefined;
  readonly container: string;
}

const CONTAINER = /^(?=.{3,63}$)[a-z0-9](?:-?[a-z0-9])*$/;
const ACCOUNT = /^[A-Za-z0-9-]{1,64}$/;
/** Maximum length of a key, in characters. */
const MAX_KEY = 1024;

function invalid(why: string): never {
  throw new VarveError("invalid-argument", `Cannot use Azure Blob Storage: ${why}`);
}

/** Makes the URLs of a container. */
export class ContainerAddress {
  readonly account: string;
  readonly container: string;
  readonly #base: URL;
  readonly #path: string;

  /** @throws {VarveError} `invalid-argument` for an account or a container that cannot be part of a URL. */
  constructor({ accountUrl, account, container }: ContainerPlace) {
    const base = URL.canParse(accountUrl) ? new URL(accountUrl) : invalid("the URL of the account is not a URL");
    if (base.protocol !== "https:" && base.protocol !== "http:") invalid("the URL of the account is not an HTTP URL");
    if (base.username !== "" || base.password !== "" || base.search !== "" || base.hash !== "")
      invalid("the URL of the account has more than a host and a path");
    this.account = account ?? base.hostname.split(".")[0] ?? "";
    if (!ACCOUNT.test(this.account)) invalid(`${JSON.stringify(this.account)} is not the name of an account`);
    if (!CONTAINER.test(container)) invalid(`${JSON.stringify(container)} is not the name of a container`);
    this.container = container;
    this.#base = base;
    this.#path = `${base.pathname.replace(/\/$/, "")}/${container}`;
  }

  /** For messages. */
  get host(): string {
    return this.#base.host;
  }

  /** For messages. */
  get name(): string {
    return `azblob://${this.account}/${this.container}`;
  }

  /**
   * Returns the URL of a key, or of the container if the key is empty.
   *
   * @throws {VarveError} `invalid-argument` for a key that a URL cannot contain.
   */
  url(key: string, parameters: Readonly<Record<string, string>> = {}): URL {
    if (key.length > MAX_KEY || !key.isWellFormed()) invalid(`key ${JSON.stringify(key)} is too long`);
    if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(key)) invalid(`key ${JSON.stringify(key)} has a part that is "." or ".."`);
    const url = new URL(key === "" ? this.#path : `${this.#path}/${encodeKey(key)}`, this.#base);
    url.search = encodeQuery(parameters);
    return url;
  }
}
