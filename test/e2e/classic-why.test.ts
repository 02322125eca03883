import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { inflateRawSync } from "node:zlib";
import type { TarInput } from "../../src/layer/index.ts";
import { ClassicBuilder, type Files } from "../../testing/classic-builder.ts";
import { buildsUnavailable } from "../../testing/varve.ts";
import { explainBuild } from "../../src/caches/index.ts";

/** What is different in a build, and what its steps say that are not cached: the same for all of them, but for those in `others`. */
interface Change {
  readonly name: string;
  readonly dockerfile?: readonly [from: string, to: string];
  readonly files?: Files;
  readonly query?: string;
  readonly why: string;
  readonly others?: readonly string[];
}

const DOCKERFILE = `FROM {base} AS tools
ENV MODE=fast API_TOKEN=first-secret
RUN echo tools > /tools
FROM {base}
ARG VERSION=1
WORKDIR /app
COPY . /app/
RUN echo $VERSION > /version
LABEL version=$VERSION
COPY --from=tools /tools /tools
`;
const FILES: Record<string, TarInput> = {
  ignored: { path: ".dockerignore", body: "Dockerfile\n.dockerignore\n" },
  a: { path: "a", body: "one" },
  b: { path: "b", body: "two" },
  src: { path: "src", type: "directory" },
  c: { path: "src/c", body: "three" },
};
const files = (changed: Readonly<Record<string, TarInput>> = {}): TarInput[] => Object.values({ ...FILES, ...changed });
const arg = (args: Readonly<Record<string, string>>): string => `buildargs=${encodeURIComponent(JSON.stringify(args))}`;

/** Each changes something else, so that the first build is the nearest. */
const CHANGES: readonly Change[] = [
  { name: "content", files: files({ a: { path: "a", body: "other" } }), why: "a changed (content, 3 → 5 bytes)" },
  {
    name: "mode and owner",
    files: files({ b: { path: "b", body: "two", mode: 0o600, uid: 7 } }),
    why: "b: mode 0644 → 0600, owner 0:0 → 7:0",
  },
  { name: "paths", files: files({ c: { path: "src/d", body: "three" } }), why: "src/d added; src/c removed" },
  { name: "build argument", query: arg({ VERSION: "2" }), why: "ARG VERSION: 1 → 2" },
  {
    name: "variable",
    dockerfile: ["MODE=fast", "MODE=slow"],
    why: "instruction changed: ENV MODE=fast API_TOKEN=*** → ENV MODE=slow API_TOKEN=***",
  },
  { name: "credential", dockerfile: ["first-secret", "other-secret"], why: "ENV API_TOKEN changed (value not shown)" },
  {
    name: "command",
    dockerfile: ["echo tools >", "echo TOOLS >"],
    why: "instruction changed: RUN echo tools > /tools → RUN echo TOOLS > /tools",
    others: ["the result of [tools 3/3] RUN echo TOOLS > /tools differs (1 file: tools changed (content, 6 bytes))"],
  },
];

describe("why the classic builder did not use its cache", { skip: buildsUnavailable("docker") }, () => {
  let builder: ClassicBuilder;
  before(async () => {
    builder = await ClassicBuilder.open({ explains: "everywhere" });
  });
  after(() => builder?.[Symbol.asyncDispose]());

  const docker = async (...args: readonly string[]): Promise<void> => {
    const { code, stderr } = await builder.server.docker(args);
    assert.equal(code, 0, stderr);
  };
  const reasons = (printed: string): string[] =>
    Array.from(printed.matchAll(/^ ---> Missed: (.*)$/gm), ([, why = ""]) => why);
  const missed = async (dockerfile: string, query: string, context?: Files): Promise<readonly string[]> => {
    const { error, printed } = await builder.build(dockerfile, query, context);
    assert.equal(error, undefined);
    return reasons(printed);
  };

  test("each change is told, by the step that it is of and by those that follow from it", async () => {
    await builder.build(DOCKERFILE, "t=changes", files());
    assert.deepEqual(await missed(DOCKERFILE, "t=changes", files()), []);
    for (const { name, dockerfile: [from, to] = ["", ""], files: context = files(), query = "", ...told } of CHANGES) {
      const why = await missed(DOCKERFILE.replace(from, to), `t=changes&${query}`, context);
      assert.deepEqual([...new Set(why)], [told.why, ...(told.others ?? [])], name);
    }
  });

  test("the store tells it of the last build, and knows no credential", async () => {
    const { steps, isCached } = explainBuild(builder.server.store);
    assert.equal(isCached, false);
    assert.deepEqual(
      steps.map(({ name, status, why }) => [name, status, why?.text]),
      [
        ["[tools 2/3] ENV MODE=fast API_TOKEN=***", "hit", undefined],
        ["[tools 3/3] RUN echo TOOLS > /tools", "run", CHANGES.at(-1)?.why],
        ...[
          "ARG VERSION=1",
          "WORKDIR /app",
          "COPY . /app/",
          "RUN echo $VERSION > /version",
          "LABEL version=$VERSION",
        ].map((text, index) => [`[stage-1 ${index + 2}/7] ${text}`, "hit", undefined]),
        ["[stage-1 7/7] COPY --from=tools /tools /tools", "run", CHANGES.at(-1)?.others?.[0]],
      ],
    );
    assert.equal(explainBuild(builder.server.store, "RUN echo TOOLS").steps[0]?.why?.full, CHANGES.at(-1)?.why);
    const { state } = builder.server.store;
    const stored = [
      ...state.all<{ bytes: Uint8Array }>("SELECT facts AS bytes FROM explain_step"),
      ...state.all<{ bytes: Uint8Array }>("SELECT steps AS bytes FROM explain_build"),
    ].map(({ bytes }) => inflateRawSync(bytes).toString());
    assert.ok(stored.some((text) => text.includes("API_TOKEN")));
    for (const text of stored) assert.doesNotMatch(text, /first-secret|other-secret/);
  });

  test("a base image that moved, an image that was removed, another platform, no cache", async () => {
    const dockerfile = "FROM moving:1\nENV A=1\n";
    await builder.build("FROM {base}\nENV BASE=1\n", "t=moving:1");
    await builder.build(dockerfile, "t=moved");
    await builder.build("FROM {base}\nENV BASE=2\n", "t=moving:1");
    const [moved = "", ...more] = await missed(dockerfile, "t=moved");
    assert.match(moved, /^base image moving:1 moved: sha256:[0-9a-f]{12}… → sha256:[0-9a-f]{12}…$/);
    assert.deepEqual(more, []);
    await docker("rmi", "-f", "moved");
    assert.deepEqual(await missed(dockerfile, "t=moved"), ["its result was removed from the cache"]);
    assert.deepEqual(await missed(dockerfile, "t=moved&nocache=1"), []);
    assert.equal(explainBuild(builder.server.store).steps[0]?.why?.full, "--no-cache");
    await builder.build("FROM scratch\nENV A=1\n", "t=foreign&platform=linux%2Famd64");
    assert.deepEqual(await missed("FROM scratch\nENV A=1\n", "t=foreign&platform=linux%2Farm64"), [
      "platform: linux/amd64 → linux/arm64",
    ]);
  });

  test("images of builds that were not recorded are compared by their container configs", async () => {
    const dockerfile = "FROM {base}\nARG V=1\nENV UNRECORDED=1\nCOPY a /a\nRUN echo $V > /v\n";
    await builder.build(dockerfile, "t=unrecorded", files());
    const forget = (): void => void builder.server.store.state.run("DELETE FROM explain_step");
    forget();
    assert.deepEqual(await missed(dockerfile, `t=unrecorded&${arg({ V: "2" })}`, files()), ["ARG V: 1 → 2"]);
    forget();
    const [copied = "", ...others] = await missed(dockerfile, "t=unrecorded", [{ path: "a", body: "unrecorded" }]);
    assert.match(copied, /^files of COPY: file:[0-9a-f]+… → file:[0-9a-f]+…$/);
    assert.deepEqual(others, []);
  });

  test("a cache source says where its history is another", async () => {
    const dockerfile = "FROM {base}\nENV SOURCE=1\nRUN echo source > /s\n";
    const archive = join(builder.server.folder, "source.tar");
    await builder.build(dockerfile, "t=source");
    await docker("save", "-o", archive, "source");
    await docker("rmi", "source");
    await docker("load", "-i", archive);
    const from = (name: string): string => `cachefrom=${encodeURIComponent(JSON.stringify([name]))}`;
    const changed = await missed(dockerfile.replace("echo source", "echo other"), `t=fresh&${from("source")}`);
    assert.equal(changed.length, 1);
    assert.match(
      changed[0] ?? "",
      /^the cache source was not used: entry \d+ of its history is RUN echo source > \/s, not RUN echo other > \/s$/,
    );
    assert.deepEqual(await missed("FROM {base}\nENV NOWHERE=1\n", `t=nowhere&${from("nowhere")}`), [
      "the cache nowhere was not used: it is not in the store, and the classic builder pulls no caches",
    ]);
  });
});

test(
  "unless it is asked for, the output of the classic builder is Docker's to the letter",
  { skip: buildsUnavailable("docker") },
  async () => {
    await using builder = await ClassicBuilder.open({ explains: true });
    const dockerfile = "FROM {base}\nCOPY a /a\n";
    await builder.build(dockerfile, "", { a: "1" });
    const { printed } = await builder.build(dockerfile, "", { a: "22" });
    assert.deepEqual(printed.replaceAll(/[0-9a-f]{12}/g, "ID").split("\n"), [
      "Step 1/2 : FROM classic.test/busybox:1",
      " ---> ID",
      "Step 2/2 : COPY a /a",
      " ---> ID",
      "Successfully built ID",
      "",
    ]);
    assert.equal(explainBuild(builder.server.store).steps[0]?.why?.text, "a changed (content, 1 → 2 bytes)");
    // A step that needs the engine.
    const engine = `${dockerfile}RUN --mount=type=tmpfs,target=/t cat /a\n`;
    await builder.build(engine, "", { a: "1" });
    const second = await builder.build(engine, "", { a: "22" });
    assert.equal(
      second.printed.match(/^ ---> Missed: a changed \(content, 1 → 2 bytes\)$/gm)?.length,
      2,
      second.printed,
    );
    assert.equal(
      explainBuild(builder.server.store, "RUN --mount").steps[0]?.why?.text,
      "a changed (content, 1 → 2 bytes)",
    );
  },
);
