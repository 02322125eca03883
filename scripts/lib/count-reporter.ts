import type { TestEvent } from "node:test/reporters";

/** A reporter for `node --test` that prints one JSON object when the run ends: how many tests ran, and which were skipped why. */
export default async function* countReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skipped: { name: string; file: string; reason: string }[] = [];
  let passed = 0;
  let failed = 0;
  for await (const event of events) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    if (event.data.details.type === "suite") continue;
    if (event.data.skip !== undefined && event.data.skip !== false) {
      skipped.push({ name: event.data.name, file: event.data.file ?? "", reason: String(event.data.skip) });
    } else if (event.type === "test:pass") passed += 1;
    else failed += 1;
  }
  yield JSON.stringify({ passed, failed, skipped });
}
