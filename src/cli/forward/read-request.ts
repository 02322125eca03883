import { parseJson } from "../../core/index.ts";
import type { ForwardRequest, TerminalSize } from "./request.ts";

/** Reads the payload of a request. Throws `VarveError` if it is malformed. */
export function readRequest(payload: Uint8Array): ForwardRequest {
  const request = parseJson(payload, "a forwarded command").requiredObject();
  const command = request.field("command").requiredObject();
  return {
    identity: request.string("identity") ?? "",
    command: {
      argv: command.strings("argv") ?? [],
      cwd: command.string("cwd") ?? "/",
      env: Object.fromEntries(command.stringMap("env") ?? []),
      isOutputTerminal: command.boolean("isOutputTerminal") === true,
      isErrorTerminal: command.boolean("isErrorTerminal") === true,
      columns: command.integer("columns") ?? 0,
      rows: command.integer("rows") ?? 0,
    },
  };
}

/** Reads the payload of `Frame.size`. */
export function readSize(payload: Uint8Array): TerminalSize {
  const size = parseJson(payload, "the size of a terminal").requiredObject();
  return { columns: size.integer("columns") ?? 0, rows: size.integer("rows") ?? 0 };
}
