/** Returns a JSON response. Its body ends with a newline, as Go's encoder writes it. */
import type { HttpResponse } from "../http/index.ts";
export function json(status: number, value: unknown): HttpResponse {
  return { status, headers: { "Content-Type": "application/json" }, body: `${JSON.stringify(value)}\n` };
}

export function ok(value: unknown): HttpResponse {
  return json(200, value);
}

export function empty(status: number): HttpResponse {
  return { status, headers: {} };
}

/** Returns a plain-text response. */
export function text(status: number, body: string): HttpResponse {
  return { status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body };
}
