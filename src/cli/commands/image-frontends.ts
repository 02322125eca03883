import type { ForeignFrontends } from "../../engine/index.ts";

/** Runs front ends that are images. BuildKit's API is loaded when one has to run. */
export const imageFrontends: ForeignFrontends = {
  run: async (request) => {
    const { imageFrontends: loaded } = await import("../../api/buildkit/index.ts");
    return await loaded.run(request);
  },
};
