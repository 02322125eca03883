import type { Endpoint } from "../api.ts";
import { apiError } from "../errors.ts";
import type { DockerEvent, EventBus } from "../event-bus.ts";
import { type Filters, parseFilters } from "../filters.ts";
import { text } from "../query.ts";
import { parsePoint } from "../time.ts";
import { isAtLeast } from "../version.ts";

/**
 * `GET /events`: streams events as they happen. With `since` or `until`, sends matching past events first; with `until`, ends
 * at that time.
 */
export const events: Endpoint = ({ query, request, version }, api) => {
  const [since, until] = ["since", "until"].map((name) => {
    const value = text(query, name);
    return value === undefined || value === "0" ? undefined : parsePoint(value);
  });
  if (since !== undefined && until !== undefined && since > until)
    throw apiError(
      400,
      `\`since\` time (${text(query, "since")}) cannot be after \`until\` time (${text(query, "until")})`,
    );
  const filters = parseFilters(query);
  const wanted = (event: DockerEvent): boolean => matches(event, filters) && isDelivered(event, version);
  return {
    status: 200,
    headers: { "Content-Type": "application/json" },
    body: encoded(follow(api.events, { since, until, signal: request.signal }), wanted),
  };
};

interface Period {
  readonly since: bigint | undefined;
  readonly until: bigint | undefined;
  readonly signal: AbortSignal;
}

/** Yields the events of a period in order. Returns at the end of the period, or when the client disconnects. */
async function* follow(bus: EventBus, { since, until, signal }: Period): AsyncGenerator<DockerEvent> {
  const queue: DockerEvent[] = [];
  let wake: (() => void) | undefined;
  using _listener = bus.listen((event) => {
    queue.push(event);
    if (queue.length > MAX_WAITING) queue.shift();
    wake?.();
  });
  if (since !== undefined || until !== undefined)
    for (const event of bus.past())
      if ((since === undefined || event.timeNano >= since) && (until === undefined || event.timeNano <= until))
        yield event;
  const left = until === undefined ? undefined : Number((until - BigInt(Date.now()) * 1_000_000n) / 1_000_000n);
  const over = AbortSignal.any([
    signal,
    ...(left === undefined ? [] : [AbortSignal.timeout(Math.min(Math.max(left, 0), MAX_WAIT))]),
  ]);
  if (left !== undefined && left <= 0) return;
  for (;;) {
    for (let event = queue.shift(); event !== undefined; event = queue.shift()) yield event;
    if (over.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    over.addEventListener("abort", wake, { once: true });
    await promise;
    over.removeEventListener("abort", wake);
  }
}

/** Maximum number of events queued for a client that does not read. The oldest are dropped first. */
const MAX_WAITING = 10_000;
/** Longest delay of a timer, in ms. */
const MAX_WAIT = 2_147_483_647;

function matches({ Type, Action, Actor, scope }: DockerEvent, filters: Filters): boolean {
  const wants = (key: string, accepts: (value: string) => boolean): boolean => {
    const values = filters.get(key);
    return values === undefined || values.size === 0 || [...values].some(accepts);
  };
  const name = Actor.Attributes["name"] ?? "";
  return (
    wants("type", (value) => value === Type) &&
    wants("event", (value) => value === Action) &&
    wants("scope", (value) => value === scope) &&
    [...(filters.get("label") ?? [])].every((label) => hasLabel(Actor.Attributes, label)) &&
    wants("image", (value) => [Actor.ID, name].some((each) => each === value || each.split(":", 1)[0] === value)) &&
    ["container", "network", "volume", "plugin", "daemon", "service", "node", "secret", "config"].every((key) =>
      wants(key, () => false),
    )
  );
}

/** Tests a label filter, which is `key` or `key=value`. */
function hasLabel(attributes: Readonly<Record<string, string>>, label: string): boolean {
  const [key = "", value] = label.split(/=(.*)/s, 2);
  return Object.hasOwn(attributes, key) && (value === undefined || attributes[key] === value);
}

/** Hides `create` events of images from clients older than 1.46, which read them as events of containers. */
function isDelivered({ Type, Action }: DockerEvent, version: string): boolean {
  return !(Type === "image" && Action === "create") || isAtLeast(version, "1.46");
}

async function* encoded(
  source: AsyncIterable<DockerEvent>,
  wanted: (event: DockerEvent) => boolean,
): AsyncGenerator<Uint8Array> {
  for await (const event of source) if (wanted(event)) yield Buffer.from(encode(event));
}

/** Encodes an event as JSON. Writes `timeNano` by hand, because a JavaScript number cannot hold it exactly. */
function encode({ timeNano, ...event }: DockerEvent): string {
  const { Type, Action, Actor } = event;
  const legacy = Type === "image" ? { status: Action, ...(Actor.ID !== "" && { id: Actor.ID }) } : {};
  return `${JSON.stringify({ ...legacy, ...event }).slice(0, -1)},"timeNano":${timeNano}}\n`;
}
