import { type TransportResponse, headerOf } from "../http/index.ts";
import type { ObjectInfo } from "./object-store.ts";

/** Reads a number of bytes; 0 for what is none. */
export function sizeOf(text: string | undefined): number {
  return /^\d{1,15}$/.test(text ?? "") ? Number(text) : 0;
}

/** Reads a time in milliseconds since 1970; 0 for what is none. */
export function timeOf(text: string | undefined): number {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? 0 : time;
}

/** Returns what the headers of a response say about its object. */
export function infoOf({ headers }: TransportResponse): ObjectInfo {
  return {
    size: sizeOf(headerOf(headers, "content-length")),
    etag: headerOf(headers, "etag"),
    modified: timeOf(headerOf(headers, "last-modified")),
  };
}
