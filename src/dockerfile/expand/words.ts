import { isSpace, splitSpace } from "../../pattern/index.ts";

/** Splits a text into words at white space outside quotes, while the text is expanded. */
export class Words {
  readonly #words: string[] = [];
  #current = "";
  #inWord = false;

  /** Adds a character. White space ends the current word. */
  add(char: string): void {
    if (isSpace(char)) this.#endWord();
    else this.addRaw(char);
  }

  /** Like `add` for each character. */
  addAll(text: string): void {
    for (const [index, part] of splitSpace(text).entries()) {
      if (index > 0) this.#endWord();
      if (part !== "") this.addRaw(part);
    }
  }

  #endWord(): void {
    if (!this.#inWord || this.#current === "") return;
    this.#words.push(this.#current);
    this.#current = "";
    this.#inWord = false;
  }

  /** Adds a text to the current word, including its white space. Returns the text. */
  addRaw(text: string): string {
    this.#current += text;
    this.#inWord = true;
    return text;
  }

  /** Returns all words. */
  end(): string[] {
    return this.#current === "" ? this.#words : [...this.#words, this.#current];
  }
}
