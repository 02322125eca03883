import type { TestEvent } from "node:test/reporters";

/**
 * A reporter for `node --test` that prints one JSON object when the run ends: how many tests ran, which were skipped why, and how many
 * milliseconds the tests of each file took.
 */
export default async function* countReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skipped: { name: string; file: string; reason: string }[] = [];
  const times: Record<string, number> = {};
  let passed = 0;
  let failed = 0;
  for await (const event of events) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { file = "", nesting, details } = event.data;
    if (nesting === 0) times[file] = (times[file] ?? 0) + details.duration_ms;
    if (details.type === "suite") continue;
    if (event.data.skip !== undefined && event.data.skip !== false) {
      skipped.push({ name: event.data.name, file, reason: String(event.data.skip) });
    } else if (event.type === "test:pass") passed += 1;
    else failed += 1;
  }
  yield JSON.stringify({ passed, failed, skipped, times });
}
