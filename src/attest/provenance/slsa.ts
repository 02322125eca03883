import { type OrderedJson, compareBytes, goJson } from "../../core/index.ts";
import { type Invocation, type Provenance, configSourceOf } from "./predicate.ts";

const BUILD_TYPE_V1 = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
const BUILDKIT_V02 = "https://mobyproject.org/buildkit@v1";

const PREDICATE_TYPES = {
  v1: "https://slsa.dev/provenance/v1",
  "v0.2": "https://slsa.dev/provenance/v0.2",
} as const;

/** Returns the predicate type of a version of SLSA provenance. */
export function predicateType(version: "v1" | "v0.2"): string {
  return PREDICATE_TYPES[version];
}

/** Writes a predicate as BuildKit does: SLSA provenance v1 or v0.2, as compact JSON. */
export function encodePredicate(provenance: Provenance, invocation: Invocation): string {
  const { version } = provenance.parametersGiven;
  return goJson(version === "v1" ? slsa1(provenance, invocation) : slsa02(provenance, invocation));
}

function slsa1(provenance: Provenance, { id, startedOn, finishedOn }: Invocation): OrderedJson {
  const { dependencies, parameters, internal, buildConfig, metadata, parametersGiven } = provenance;
  return {
    buildDefinition: {
      buildType: BUILD_TYPE_V1,
      resolvedDependencies: dependencies.length === 0 ? undefined : dependencies,
      externalParameters: { configSource: configSourceOf(provenance, "path"), request: new Map(parameters) },
      internalParameters: sorted({ ...internal, buildConfig }),
    },
    runDetails: {
      builder: { id: parametersGiven.builderId },
      metadata: {
        invocationId: id,
        startedOn,
        finishedOn,
        buildkit_metadata: metadata,
        buildkit_hermetic: provenance.isHermetic || undefined,
        buildkit_completeness: {
          request: provenance.isRequestWhole,
          resolvedDependencies: provenance.areMaterialsWhole,
        },
        buildkit_reproducible: parametersGiven.isReproducible || undefined,
      },
    },
  };
}

function slsa02(provenance: Provenance, { id, startedOn, finishedOn }: Invocation): OrderedJson {
  const { dependencies, parameters, internal, buildConfig, metadata, parametersGiven } = provenance;
  const { builderPlatform, ...environment } = internal;
  return {
    builder: { id: parametersGiven.builderId },
    buildType: BUILDKIT_V02,
    materials: dependencies.length === 0 ? undefined : dependencies,
    invocation: {
      configSource: configSourceOf(provenance, "entryPoint"),
      parameters: new Map(parameters),
      environment: sorted({ ...environment, platform: builderPlatform }),
    },
    buildConfig,
    metadata: {
      buildInvocationID: id,
      buildStartedOn: startedOn,
      buildFinishedOn: finishedOn,
      completeness: {
        parameters: provenance.isRequestWhole,
        environment: true,
        materials: provenance.areMaterialsWhole,
      },
      reproducible: parametersGiven.isReproducible,
      [`${BUILDKIT_V02}#metadata`]: metadata,
      [`${BUILDKIT_V02}#hermetic`]: provenance.isHermetic || undefined,
    },
  };
}

/** BuildKit writes the builder's parameters with all keys sorted, at every depth. */
function sorted(value: OrderedJson): OrderedJson {
  if (isList(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = isMap(value) ? [...value] : Object.entries(value);
  return new Map(
    entries.toSorted(([a], [b]) => compareBytes(a, b)).map(([key, item]): [string, OrderedJson] => [key, sorted(item)]),
  );
}

function isMap(value: object): value is ReadonlyMap<string, OrderedJson> {
  return value instanceof Map;
}

/** `Array.isArray` for read-only lists. */
function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
