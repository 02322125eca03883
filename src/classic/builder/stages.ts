import type { LocalImage } from "../../image/index.ts";
import { stepError, wrapped } from "./failure.ts";

/** What the stages so far have come to. */
export class Stages {
  readonly #images: (LocalImage | undefined)[] = [];
  readonly #names = new Map<string, number>();

  /** To be called before a stage begins. */
  checkName(name: string): void {
    if (name !== "" && this.#names.has(name)) throw stepError(`${name} stage name already used`);
  }

  add(name: string, image: LocalImage | undefined): void {
    if (name !== "") this.#names.set(name, this.#images.length);
    this.#images.push(image);
  }

  /** By name, in any case. */
  named(name: string): { readonly image: LocalImage | undefined } | undefined {
    const index = this.#names.get(name.toLowerCase());
    return index === undefined ? undefined : { image: this.#images[index] };
  }

  /** By name or number; undefined for what may be an image. Throws for a number that is no stage's before this one. */
  from(text: string): { readonly image: LocalImage | undefined } | undefined {
    const named = this.named(text);
    if (named !== undefined || !/^[+-]?\d+$/.test(text)) return named;
    const index = Number(text);
    if (index >= 0 && index < this.#images.length) return { image: this.#images[index] };
    const why = index === this.#images.length ? "refers to current build stage" : "index out of bounds";
    throw wrapped(stepError(why), `invalid from flag value ${text}`);
  }
}
