import { syncDirectory } from "../io/index.ts";

interface Round {
  readonly running: Promise<void>;
  /** The next sync, which has not begun. */
  next: Promise<void> | undefined;
}

/**
 * Makes renames into a directory durable. Callers that arrive during a sync share the next one, so that many small blobs cost only a few
 * syncs.
 */
export class DirectorySync {
  readonly #rounds = new Map<string, Round>();

  /** Resolves once everything done in the directory before the call is durable. */
  sync(path: string): Promise<void> {
    const round = this.#rounds.get(path);
    if (round === undefined) return this.#start(path);
    const begin = (): Promise<void> => this.#start(path);
    round.next ??= round.running.then(begin, begin);
    return round.next;
  }

  #start(path: string): Promise<void> {
    const round: Round = { running: syncDirectory(path), next: undefined };
    this.#rounds.set(path, round);
    const forget = (): void => {
      if (round.next === undefined) this.#rounds.delete(path);
    };
    round.running.then(forget, forget);
    return round.running;
  }
}
