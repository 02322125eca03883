import type { InputView } from "./explore.ts";
import type { EdgeInput } from "./edge-input.ts";

/**
 * The inputs of an edge, and which of them have changed since the last check. Each change of an input causes a step of the
 * edge. If a step checked every input, the work would be quadratic in the number of inputs.
 */
export class InputTracker<R> {
  #list: readonly EdgeInput<R>[] = [];
  readonly #views: InputView[] = [];
  readonly #unseen = new Set<EdgeInput<R>>();
  readonly #unasked = new Set<EdgeInput<R>>();
  readonly #ungathered = new Set<EdgeInput<R>>();
  /** Inputs that do not report their changes, because nothing is required of them. */
  readonly #unwatched = new Set<EdgeInput<R>>();

  get list(): readonly EdgeInput<R>[] {
    return this.#list;
  }

  /** Sets the inputs. Called once. */
  fill(inputs: readonly EdgeInput<R>[]): void {
    this.#list = inputs;
    for (const input of inputs) this.watch(input, false);
  }

  /** Sets whether the input reports changes of its edge through `changed`. */
  watch(input: EdgeInput<R>, isWatched: boolean): void {
    if (isWatched) this.#unwatched.delete(input);
    else this.#unwatched.add(input);
    this.changed(input);
  }

  /** Marks an input as changed. */
  changed(input: EdgeInput<R>): void {
    this.#unseen.add(input);
    this.#unasked.add(input);
    this.#ungathered.add(input);
  }

  /** Returns the views of all inputs. They are valid until an input changes. */
  views(): readonly InputView[] {
    for (const input of this.#unseen) this.#views[input.index] = input.view();
    this.#unseen.clear();
    for (const input of this.#unwatched) this.#unseen.add(input);
    return this.#views;
  }

  /** Returns the inputs that may have keys that were not looked up yet, and unmarks them. */
  takeUnasked(): readonly EdgeInput<R>[] {
    for (const input of this.#unwatched) this.#unasked.add(input);
    return drained(this.#unasked);
  }

  /** Marks all inputs for lookups. */
  askAll(): void {
    for (const input of this.#list) this.#unasked.add(input);
  }

  /** Returns the inputs that may need preparation before the op can be executed, and unmarks them. */
  takeUngathered(): readonly EdgeInput<R>[] {
    return drained(this.#ungathered);
  }

  /** Marks all inputs for preparation. */
  gatherAll(): void {
    for (const input of this.#list) this.#ungathered.add(input);
  }
}

function drained<T>(set: Set<T>): readonly T[] {
  const items = [...set];
  set.clear();
  return items;
}
