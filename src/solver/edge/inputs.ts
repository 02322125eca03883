import type { InputView } from "./explore.ts";
import type { Input } from "./input.ts";

/**
 * The inputs of an edge, and which of them have changed since the edge last looked. An edge is stepped at each change of an
 * input: if it looked at every input then, the work would grow with the square of their number.
 */
export class Inputs<R> {
  #list: readonly Input<R>[] = [];
  readonly #views: InputView[] = [];
  readonly #unseen = new Set<Input<R>>();
  readonly #unasked = new Set<Input<R>>();
  readonly #ungathered = new Set<Input<R>>();
  /** Inputs nothing is wanted of: nobody tells of their changes. */
  readonly #unwatched = new Set<Input<R>>();

  get list(): readonly Input<R>[] {
    return this.#list;
  }

  /** Called once, with every input. */
  fill(inputs: readonly Input<R>[]): void {
    this.#list = inputs;
    for (const input of inputs) this.watch(input, false);
  }

  /** Says whether `changed` will be called for what happens to the input's edge. */
  watch(input: Input<R>, isWatched: boolean): void {
    if (isWatched) this.#unwatched.delete(input);
    else this.#unwatched.add(input);
    this.changed(input);
  }

  changed(input: Input<R>): void {
    this.#unseen.add(input);
    this.#unasked.add(input);
    this.#ungathered.add(input);
  }

  /** Of every input, up to date. Valid until an input changes. */
  views(): readonly InputView[] {
    for (const input of this.#unseen) this.#views[input.index] = input.view();
    this.#unseen.clear();
    for (const input of this.#unwatched) this.#unseen.add(input);
    return this.#views;
  }

  /** Inputs that may have keys nobody has asked about. */
  takeUnasked(): readonly Input<R>[] {
    for (const input of this.#unwatched) this.#unasked.add(input);
    return drained(this.#unasked);
  }

  askAll(): void {
    for (const input of this.#list) this.#unasked.add(input);
  }

  /** Inputs that may have something left to be done before the op can be executed. */
  takeUngathered(): readonly Input<R>[] {
    return drained(this.#ungathered);
  }

  gatherAll(): void {
    for (const input of this.#list) this.#ungathered.add(input);
  }
}

function drained<T>(set: Set<T>): readonly T[] {
  const items = [...set];
  set.clear();
  return items;
}
