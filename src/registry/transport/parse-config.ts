import { VarveError } from "../../core/index.ts";
import type { RegistryConfig } from "./config.ts";

/** Checks a configuration read from outside; throws `invalid-argument` that names the wrong field. */
export async function parseRegistryConfig(value: unknown): Promise<RegistryConfig> {
  const { registryConfigSchema } = await import("../schemas.ts");
  const parsed = registryConfigSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join(".") ?? "";
  throw new VarveError(
    "invalid-argument",
    `Cannot read the configuration of registries: ${where === "" ? "" : `${where}: `}${issue?.message ?? "not valid"}`,
  );
}
