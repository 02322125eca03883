import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Platform, normalizePlatform } from "../../../core/index.ts";
import type { Platform as PlatformMessage, PlatformSchema } from "../proto/gen/ops_pb.ts";

/** Converts a platform to BuildKit's message. */
export function platformMessage(platform: Platform): MessageInitShape<typeof PlatformSchema> {
  const { architecture, os, variant = "", osVersion = "", osFeatures = [] } = platform;
  return { Architecture: architecture, OS: os, Variant: variant, OSVersion: osVersion, OSFeatures: [...osFeatures] };
}

/** Converts BuildKit's message to a platform; undefined if it names none. */
export function platformOf(message: PlatformMessage | undefined): Platform | undefined {
  if (message === undefined || (message.OS === "" && message.Architecture === "")) return undefined;
  const { Architecture, OS, Variant, OSVersion, OSFeatures } = message;
  return normalizePlatform({
    architecture: Architecture,
    os: OS,
    ...(Variant === "" ? {} : { variant: Variant }),
    ...(OSVersion === "" ? {} : { osVersion: OSVersion }),
    ...(OSFeatures.length === 0 ? {} : { osFeatures: OSFeatures }),
  });
}
