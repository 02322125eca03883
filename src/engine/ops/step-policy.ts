import { type Digest, type StepPolicy, digestOf, formatPolicy } from "../../core/index.ts";
import { wholeTree } from "../../contenthash/index.ts";
import type { CacheMapInput, ContentContext } from "../../solver/index.ts";
import { CHECKSUMS, contentDigest } from "./content.ts";
import { type OpDeps, holdFor } from "./deps.ts";
import type { Result } from "./result.ts";

/**
 * Returns the cache digest of a step that depends on the values of secrets. It contains a keyed digest of each one, so that neither
 * the key nor an exported cache says what a secret is. A secret that the client does not have counts as a value of its own.
 */
export async function withSecrets(
  digest: Digest,
  policy: StepPolicy | undefined,
  { client, stepDigests }: Pick<OpDeps, "client" | "stepDigests">,
): Promise<Digest> {
  const ids = policy?.secrets ?? [];
  if (ids.length === 0) return digest;
  const secrets: [id: string, digest: string | null][] = [];
  for (const id of ids) {
    const value = await client.secret(id, true);
    secrets.push([id, value === undefined ? null : stepDigests.ofSecret(value)]);
  }
  return digestOf(JSON.stringify([digest, secrets]));
}

/** Looks records up by all files of an input, if the op does not say itself which files it reads. */
export function byContent(input: CacheMapInput<Result>, deps: OpDeps): CacheMapInput<Result> {
  return {
    ...input,
    content: input.content ?? ((result, context) => treeDigest(result, deps, context)),
    byContent: true,
  };
}

async function treeDigest(result: Result, deps: OpDeps, context: ContentContext): Promise<Digest | undefined> {
  const compute = async (): Promise<Digest | undefined> =>
    await CHECKSUMS.run(() => contentDigest(result, [wholeTree], deps, holdFor(deps, context)), context.signal);
  return result.kind === "record" ? await deps.stepDigests.ofTree(result.id, compute) : await compute();
}

/** Returns what tells a vertex with a policy from equal ones of other builds. */
export function policyVariant(policy: StepPolicy, { build }: Pick<OpDeps, "build">): string {
  const { secrets = [] } = policy;
  return secrets.length === 0 ? formatPolicy(policy) : `${formatPolicy(policy)} ${build}`;
}
