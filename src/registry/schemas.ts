import { resolve } from "node:path";
import { z } from "zod";
import { type Descriptor, type Digest, isDigest } from "../core/index.ts";
import type { RegistryConfig } from "./transport/config.ts";
import type { DockerConfig } from "./auth/credentials.ts";

/*
 * Everything of this room that is JSON from outside. Loaded only when there is something to validate, because importing
 * zod takes tens of milliseconds.
 */

/** The value, or undefined if the bytes are not JSON in UTF-8. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

const pathSchema = z
  .string()
  .min(1)
  .transform((path) => resolve(path));

const host = z
  .strictObject({
    mirrors: z.array(z.string().min(1).max(1024)).max(32).optional(),
    insecure: z.boolean().optional(),
    http: z.boolean().optional(),
    ca: pathSchema.optional(),
    cert: pathSchema.optional(),
    key: pathSchema.optional(),
  })
  .refine((value) => (value.cert === undefined) === (value.key === undefined), "cert and key go together");

export const registryConfigSchema: z.ZodType<RegistryConfig> = z.strictObject({
  registries: z.record(z.string(), host),
});

const text = z.string().nullish();

/** A list that is read up to its first wrong item: zod has an issue for each, and a document can have millions of them. */
function listOf<T>(item: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z.array(z.unknown()).transform((values, context): T[] => {
    const items: T[] = [];
    for (const [index, value] of values.entries()) {
      const read = item.safeParse(value);
      if (!read.success) {
        const path = [index, ...(read.error.issues[0]?.path ?? [])];
        context.addIssue({ code: "custom", message: "not valid", path });
        return z.NEVER;
      }
      items.push(read.data);
    }
    return items;
  });
}

/** An object whose values are texts, read as a list is. */
const strings: z.ZodType<Readonly<Record<string, string>>> = z
  .record(z.string(), z.unknown())
  .transform((record, context) => {
    const wrong = Object.entries(record).find(([, value]) => typeof value !== "string");
    if (wrong === undefined) return record as Record<string, string>;
    context.addIssue({ code: "custom", message: "not a text", path: [wrong[0]] });
    return z.NEVER;
  });

function mapOf<T>(value: z.ZodType<T>): z.ZodType<ReadonlyMap<string, T>> {
  return z
    .record(z.string(), value)
    .nullish()
    .transform((record) => new Map(Object.entries(record ?? {})));
}

export const dockerConfigSchema: z.ZodType<DockerConfig> = z.object({
  auths: mapOf(z.object({ auth: text, username: text, password: text, identitytoken: text, registrytoken: text })),
  credsStore: text.transform((name) => name ?? undefined),
  credHelpers: mapOf(z.string()),
});

export interface HelperResponse {
  readonly Username: string;
  readonly Secret: string;
}

export const helperResponseSchema: z.ZodType<HelperResponse> = z.object({ Username: z.string(), Secret: z.string() });

export interface TokenResponse {
  readonly token?: string | undefined;
  readonly access_token?: string | undefined;
  /** Seconds. */
  readonly expires_in?: number | undefined;
  readonly refresh_token?: string | undefined;
}

export const tokenResponseSchema: z.ZodType<TokenResponse> = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().finite().optional(),
  refresh_token: z.string().optional(),
});

export interface ErrorResponse {
  readonly errors: readonly { readonly code?: string | undefined; readonly message?: string | undefined }[];
}

export const errorResponseSchema: z.ZodType<ErrorResponse> = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })).max(100),
});

export const tagsSchema: z.ZodType<{ readonly tags: readonly string[] }> = z.object({
  tags: listOf(z.string())
    .nullish()
    .transform((tags) => tags ?? []),
});

const digest = z.custom<Digest>(isDigest, "not a digest");
const optional = <T>(schema: z.ZodType<T>): z.ZodType<T | undefined> =>
  schema.nullish().transform((value) => value ?? undefined);

const descriptor = z
  .object({
    mediaType: z.string().min(1).max(255),
    digest,
    size: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
    urls: optional(listOf(z.string())),
    annotations: optional(strings),
    data: optional(z.string()),
    platform: optional(
      z.object({
        architecture: z.string(),
        os: z.string(),
        "os.version": optional(z.string()),
        "os.features": optional(listOf(z.string())),
        variant: optional(z.string()),
      }),
    ),
    artifactType: optional(z.string()),
  })
  .transform((value) => withoutUndefined(value) as Descriptor);

function withoutUndefined(value: object): object {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]: [string, unknown]) => [
        key,
        typeof item === "object" && item !== null && !Array.isArray(item) ? withoutUndefined(item) : item,
      ]),
  );
}

/** A manifest or an index before it is known which of them it is. */
export interface RawDocument {
  readonly schemaVersion?: number | undefined;
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly config?: Descriptor | undefined;
  readonly layers?: readonly Descriptor[] | null | undefined;
  readonly manifests?: readonly Descriptor[] | null | undefined;
  readonly fsLayers?: unknown;
}

export const documentSchema: z.ZodType<RawDocument> = z.object({
  schemaVersion: z.number().optional(),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: descriptor.optional(),
  layers: listOf(descriptor).nullish(),
  manifests: listOf(descriptor).nullish(),
  fsLayers: z.unknown().optional(),
});
