import type { Point, PointLink } from "./points.ts";

/** The points a document can hold, inputs before what is made of them, with the links that are left to each. */
export type Ordered = ReadonlyMap<Point, readonly (readonly PointLink[])[]>;

interface Visit {
  readonly point: Point;
  readonly next: Iterator<PointLink>;
}

const visit = (point: Point): Visit => ({ point, next: point.inputs.flat().values() });

/**
 * Sorts what the tops are made of. Links that close a loop are left out; so is a point with an input that nothing is left
 * to stand for, and whatever needs it. Works without recursion: chains may be long.
 */
export function ordered(tops: readonly Point[]): Ordered {
  const done = new Map<Point, readonly (readonly PointLink[])[]>();
  const seen = new Set<Point>();
  for (const top of tops) {
    if (seen.has(top)) continue;
    seen.add(top);
    const path = [visit(top)];
    for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
      const { value, done: isAll } = at.next.next();
      if (isAll !== true) {
        if (!seen.has(value.point)) path.push(visit(value.point));
        seen.add(value.point);
        continue;
      }
      path.pop();
      const inputs = at.point.inputs.map((list) => list.filter(({ point }) => done.has(point)));
      if (inputs.every((list) => list.length > 0)) done.set(at.point, inputs);
    }
  }
  return done;
}
