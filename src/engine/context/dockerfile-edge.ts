import { type Edge, local } from "../../llb/index.ts";

/** Returns the graph that BuildKit's front end reads a Dockerfile from: a directory of the client, and in it only the Dockerfile. */
export function dockerfileEdge(name: string, path: string, sessionId?: string): Edge | undefined {
  const followPaths = [path, `${path}.dockerignore`, path.toLowerCase()];
  return local(name, { sessionId, followPaths, sharedKeyHint: name, differ: "none" }).edge;
}
