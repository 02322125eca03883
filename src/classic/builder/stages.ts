import type { LocalImage } from "../../image/index.ts";
import { stepError, wrapped } from "./failure.ts";

/** The images of the stages that are built. */
export class Stages {
  readonly #images: (LocalImage | undefined)[] = [];
  readonly #names = new Map<string, number>();

  /** Throws if a stage of this name exists. Call it before a stage begins. */
  checkName(name: string): void {
    if (name !== "" && this.#names.has(name)) throw stepError(`${name} stage name already used`);
  }

  add(name: string, image: LocalImage | undefined): void {
    if (name !== "") this.#names.set(name, this.#images.length);
    this.#images.push(image);
  }

  /** Number of stages that are built. */
  get count(): number {
    return this.#images.length;
  }

  /** Finds a stage by name, ignoring case. */
  named(name: string): { readonly image: LocalImage | undefined } | undefined {
    const index = this.#names.get(name.toLowerCase());
    return index === undefined ? undefined : { image: this.#images[index] };
  }

  /** Finds a stage by name or number. Returns undefined for another name. Throws for a number that is not an earlier stage's. */
  from(text: string): { readonly image: LocalImage | undefined } | undefined {
    const named = this.named(text);
    if (named !== undefined || !/^[+-]?\d+$/.test(text)) return named;
    const index = Number(text);
    if (index >= 0 && index < this.#images.length) return { image: this.#images[index] };
    const why = index === this.#images.length ? "refers to current build stage" : "index out of bounds";
    throw wrapped(stepError(why), `invalid from flag value ${text}`);
  }
}
