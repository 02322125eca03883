import type { OutgoingHttpHeaders } from "node:http2";
import { GrpcCode, grpcCode } from "./code.ts";
import { GrpcError } from "./error.ts";
import type { Metadata } from "./metadata.ts";

/** Percent-encodes a message: every byte but printable ASCII without `%`. */
export function encodeMessage(message: string): string {
  let text = "";
  for (const byte of Buffer.from(message, "utf8")) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    text += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** Decodes a percent-encoded message. Sequences that are not valid stay as they are. */
export function decodeMessage(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = Buffer.alloc(text.length);
  let size = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.slice(at + 1, at + 3);
    if (text[at] === "%" && /^[0-9a-fA-F]{2}$/.test(code)) {
      bytes[size] = Number.parseInt(code, 16);
      at += 2;
    } else bytes[size] = text.charCodeAt(at);
    size += 1;
  }
  return bytes.toString("utf8", 0, size);
}

/** Returns the header fields that say how a call ended. */
export function statusHeaders(error: GrpcError | undefined): OutgoingHttpHeaders {
  if (error === undefined) return { "grpc-status": "0" };
  const headers: OutgoingHttpHeaders = {
    "grpc-status": String(error.code === GrpcCode.ok ? GrpcCode.unknown : error.code),
    "grpc-message": encodeMessage(error.message),
  };
  if (error.details !== undefined)
    headers["grpc-status-details-bin"] = Buffer.from(error.details).toString("base64").replace(/=+$/, "");
  return headers;
}

/** What the header fields at the end of a call say: nothing, success, or an error. */
export type ReceivedStatus =
  | { readonly kind: "none" }
  | { readonly kind: "ok" }
  | { readonly kind: "error"; readonly error: GrpcError };

export function receivedStatus(metadata: Metadata): ReceivedStatus {
  const status = metadata.get("grpc-status");
  if (status === undefined) return { kind: "none" };
  if (status === "0") return { kind: "ok" };
  const details = metadata.get("grpc-status-details-bin");
  const code = /^\d{1,3}$/.test(status) ? grpcCode(Number(status)) : GrpcCode.unknown;
  const error = new GrpcError(code, decodeMessage(metadata.get("grpc-message") ?? ""), {
    details: details === undefined ? undefined : Buffer.from(details, "base64"),
  });
  return { kind: "error", error };
}
