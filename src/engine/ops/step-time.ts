import { placeOf } from "../../explain/index.ts";
import { type Vertex, vertexName } from "../../llb/index.ts";

/** Returns the name under which the time of a step is recorded: its place in a project's Dockerfile, or its own name. */
export function timeName(project: string, vertex: Vertex): string {
  const name = vertexName(vertex);
  const place = placeOf(name);
  return JSON.stringify(place === undefined ? [project, name] : [project, place.platform, place.stage, place.step]);
}
