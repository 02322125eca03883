import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { build, type Built, imageConfig, vertexNamed } from "../../testing/dockerfile-host.ts";
import { cacheMapOf } from "../llb/index.ts";

interface Vectors {
  readonly ops: readonly { readonly name: string; readonly opDigest: string }[];
}

const file = new URL("../../testing/fixtures/keys/vectors.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;

/** Each op that BuildKit was seen to cache, by the Dockerfile that makes it and the end of the step's name. */
const DOCKERFILES: Record<string, [dockerfile: string, step: string]> = {
  "FROM scratch; COPY hello.txt /hello.txt": ["FROM scratch\nCOPY hello.txt /hello.txt", "hello.txt /hello.txt"],
  "COPY dir/ /dd/ (on non-scratch)": ["FROM base\nCOPY dir/ /dd/", "/dd/"],
  "COPY --link dir/ /d/": ["FROM base\nCOPY --link dir/ /d/", "2/2] COPY --link dir/ /d/"],
  "COPY --exclude=*.md t/ /e/": ["FROM base\nCOPY --exclude=*.md t/ /e/", "/e/"],
  "COPY t/*.txt /w/": ["FROM base\nCOPY t/*.txt /w/", "/w/"],
  "COPY --chown=12:34 --chmod=0600 a b /m/ (2 sources)": [
    "FROM base\nCOPY --chown=12:34 --chmod=0600 a.txt b.md /m/",
    "/m/",
  ],
  "COPY --chmod=u+x": ["FROM base\nCOPY --chmod=u+x a.txt /cm", "/cm"],
  "ADD http": ["FROM base\nADD http://localhost:1/f.bin /h/\n", "/h/"],
  "COPY --link --parents t/./sub/c.txt /p/": [
    "FROM base\nCOPY --link --parents t/./sub/c.txt /p/",
    "2/2] COPY --link --parents t/./sub/c.txt /p/",
  ],
  "heredoc mkfile": ["FROM base\nCOPY <<EOT /inline\nhello <x>\nEOT\n", "preparing inline document"],
  "COPY --chown=0:5 heredoc": ["FROM base\nCOPY --chown=0:5 <<EOT /inline\nhello <x>\nEOT\n", "/inline"],
  "WORKDIR /wd": ["FROM base\nWORKDIR /wd", "WORKDIR /wd"],
  "COPY a b c /m/ (3 sources: indexes present)": ["FROM base\nCOPY a b c /m/", "/m/"],
  "COPY --chown=nobody:grp": ["FROM base\nCOPY --chown=nobody:grp b /n", "/n"],
  "merge 2": ["FROM base\nCOPY --link dir/ /d/", "LINK COPY --link dir/ /d/"],
  "RUN exec form": ['FROM base\nRUN ["/bin/busybox","mkdir","-p","/x"]', '"/x"]'],
  "RUN with html-escaped chars": [`FROM base\nENV A=1\nRUN ["/bin/busybox","sh","-c","echo '<a&b>' > /x/f"]`, '/x/f"]'],
  "RUN bind+network none": [
    'FROM base AS a\nRUN ["/bin/busybox","true"]\nFROM base\nENV A=1\nRUN --mount=type=bind,from=a,source=/x,target=/bx --network=none ["/bin/busybox","ls","/bx"]',
    '"/bx"]',
  ],
  "RUN bind+cache+tmpfs": [
    'FROM base\nENV A=1\nRUN --mount=type=bind,target=/ctx --mount=type=cache,target=/cc --mount=type=tmpfs,target=/t ["/bin/busybox","sh","-c","cat /ctx/Dockerfile > /y"]',
    '/y"]',
  ],
};

/** ADD's download and its copy have one name; the copy comes last. */
function step(built: Built, end: string): ReturnType<typeof vertexNamed> {
  const last = built.vertices.findLast(
    (vertex, index) => vertex.op.kind !== "source" && built.names[index]?.endsWith(end),
  );
  return last ?? vertexNamed(built, end);
}

test("every Dockerfile step that BuildKit was seen to cache has the same key here", async (t) => {
  assert.equal(Object.keys(DOCKERFILES).length, vectors.ops.length);
  for (const { name, opDigest } of vectors.ops) {
    await t.test(name, async () => {
      const [dockerfile, end] = DOCKERFILES[name] ?? assert.fail(`no Dockerfile for ${name}`);
      const built = await build(dockerfile);
      assert.equal(cacheMapOf(step(built, end)).digest, opDigest);
    });
  }
});

async function runKey(text: string, options = {}): Promise<string> {
  return cacheMapOf(step(await build(`FROM base\n${text}`, options), "RUN true")).digest;
}

test("what changes a step's key, and what does not", async () => {
  const plain = await runKey("RUN true");
  assert.equal(await runKey("RUN true", { buildArgs: new Map([["HTTP_PROXY", "http://p"]]) }), plain);
  assert.notEqual(await runKey("RUN true", { buildArgs: new Map([["A", "1"]]) }), undefined);
  assert.equal(await runKey("RUN true", { buildArgs: new Map([["UNDECLARED", "1"]]) }), plain);
  assert.notEqual(await runKey("ARG A\nRUN true", { buildArgs: new Map([["A", "1"]]) }), plain);
  assert.equal(await runKey("ARG A\nRUN true"), plain);
  assert.equal(await runKey("LABEL a=b\nEXPOSE 1\nRUN true"), plain);
  assert.equal(await runKey("# another comment\nRUN true"), plain);
  assert.equal(await runKey("RUN true", { noCache: true }), plain);
  const hosts = (ip: string): object => ({ extraHosts: [{ host: "h", ip }] });
  assert.equal(await runKey("RUN true", hosts("1.2.3.4")), await runKey("RUN true", hosts("5.6.7.8")));
  assert.notEqual(await runKey("RUN true", hosts("1.2.3.4")), plain);
});

test("the base does not change a linked copy, and changes no other's op", async () => {
  const images = { "docker.io/library/other:latest": imageConfig() };
  const link = "COPY --link a /b";
  const first = step(await build(`FROM base\n${link}`), `2/2] ${link}`);
  const second = step(await build(`FROM other\n${link}`, {}, images), `2/2] ${link}`);
  assert.equal(first.digest, second.digest);
});
