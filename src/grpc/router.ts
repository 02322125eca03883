import { GrpcCode } from "./code.ts";
import { GrpcError } from "./error.ts";
import type { CallHandler, Implementation } from "./method.ts";

/** Finds the handler of a path. */
export class Router {
  readonly #services = new Map<string, Map<string, CallHandler>>();

  constructor(implementations: Iterable<Implementation>) {
    for (const { service, name, handle } of implementations) {
      const methods = this.#services.get(service) ?? new Map<string, CallHandler>();
      this.#services.set(service, methods.set(name, handle));
    }
  }

  /** @throws {GrpcError} `unimplemented` for a service or a method that does not exist. */
  handlerOf(path: string): CallHandler {
    const at = path.lastIndexOf("/");
    if (!path.startsWith("/") || at < 1)
      throw new GrpcError(GrpcCode.unimplemented, `malformed method name: ${JSON.stringify(path)}`);
    const [service, name] = [path.slice(1, at), path.slice(at + 1)];
    const methods = this.#services.get(service);
    if (methods === undefined) throw new GrpcError(GrpcCode.unimplemented, `unknown service ${service}`);
    const handle = methods.get(name);
    if (handle === undefined)
      throw new GrpcError(GrpcCode.unimplemented, `unknown method ${name} for service ${service}`);
    return handle;
  }
}
