import { fault } from "../../dockerfile/index.ts";

const CLAUSE = /^[augo]*(?:[-+=][rwxXstugo]*)+$/;

/**
 * Parses the value of `--chmod`. Returns permission bits for an octal number, the text itself for a symbolic change, and
 * undefined for an empty value.
 * @throws {VarveError} `invalid-build` for a malformed value.
 */
export function parseChmod(text: string): number | string | undefined {
  if (text === "") return undefined;
  if (/^[0-7]+$/.test(text) && Number.parseInt(text, 8) <= 0o7777) return Number.parseInt(text, 8);
  if (/^[0-9]/.test(text))
    throw fault(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
  if (!text.split(",").every((clause) => CLAUSE.test(clause)))
    throw fault(
      `invalid chmod parameter: '${text}'. it should be an octal number or a symbolic change such as u+x,go=r`,
    );
  return text;
}
