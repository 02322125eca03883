import { join } from "node:path";
import { classicBuild } from "../../classic/index.ts";
import { imageFrontends } from "../buildkit/index.ts";
import { type DockerApi, registryFor } from "./api.ts";
import type { ClassicBuild } from "./build-request.ts";
import { pullOne } from "./endpoints/pull.ts";

/** Returns the classic builder for the API's store. It pulls base images in the same way as `POST /images/create`. */
export function storeBuilder(api: DockerApi): ClassicBuild {
  const { store, events, explains, frontendImages } = api;
  return async (request, emit, signal) => {
    await using share = await store.work.enter();
    using registry = registryFor(api, request.credentials);
    return await classicBuild(
      request,
      {
        store,
        contexts: store.contexts,
        repositories: join(store.root, "git"),
        runner: share.runner,
        explains,
        frontendImages,
        frontends: imageFrontends,
        pull: async (reference, platform, tell, stop) =>
          void (await pullOne(reference, { api, registry, platform, emit: tell, signal: stop })),
        onImage: ({ kind, image, name }) => events.image(kind, image.id, name, image.config),
      },
      emit,
      signal,
    );
  };
}
