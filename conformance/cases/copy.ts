import { gzipSync } from "node:zlib";
import type { ConformanceCase, ContextFile } from "../case.ts";

const FILES: Readonly<Record<string, ContextFile>> = {
  "a.txt": "a\n",
  "b.txt": "b\n",
  "dir/c.txt": "c\n",
  "dir/sub/d.txt": "d\n",
  "script.sh": { content: "#!/bin/sh\n", mode: 0o755 },
  link: { link: "a.txt" },
  "with space.txt": "space\n",
};

/** An archive with one file, `inside.txt`: a ustar header, its content, the end. */
function archive(): Uint8Array {
  const tar = Buffer.alloc(3072);
  const field = (at: number, text: string): void => void tar.write(text, at, "latin1");
  field(0, "inside.txt");
  field(100, "0000640\0");
  field(108, "0000003\0");
  field(116, "0000004\0");
  field(124, "00000000007\0");
  field(136, "07346545000\0");
  field(148, "        ");
  field(156, "0");
  field(257, "ustar\u000000");
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  field(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  field(512, "inside\n");
  return tar;
}

/** COPY and ADD. */
export const COPY: readonly ConformanceCase[] = [
  {
    name: "copy a file",
    files: FILES,
    dockerfile: "FROM {base}\nCOPY a.txt /a\nCOPY a.txt /dir/\nCOPY script.sh /usr/bin/\n",
  },
  { name: "copy several", files: FILES, dockerfile: "FROM {base}\nCOPY a.txt b.txt /d/\n" },
  { name: "copy a directory", files: FILES, dockerfile: "FROM {base}\nCOPY dir /d\nCOPY dir/ /e/\n" },
  { name: "copy everything", files: FILES, dockerfile: "FROM {base}\nCOPY . /all\n" },
  {
    name: "copy by wildcard",
    files: FILES,
    dockerfile: "FROM {base}\nCOPY *.txt /t/\nCOPY d?r/* /f/\nCOPY [ab].txt /g/\n",
  },
  {
    name: "copy relative to the work directory",
    files: FILES,
    dockerfile: "FROM {base}\nWORKDIR /w\nCOPY a.txt x\nCOPY b.txt ./y/\n",
  },
  { name: "copy a link", files: FILES, dockerfile: "FROM {base}\nCOPY link /\nCOPY link /other\n" },
  { name: "copy names with spaces", files: FILES, dockerfile: 'FROM {base}\nCOPY ["with space.txt", "/to here/"]\n' },
  {
    name: "copy with owner",
    files: FILES,
    dockerfile: "FROM {base}\nCOPY --chown=nobody dir /d\nCOPY --chown=5 a.txt /e\nCOPY --chown=1:2 b.txt /f\n",
  },
  { name: "copy with an unknown owner", files: FILES, dockerfile: "FROM {base}\nCOPY --chown=stranger a.txt /a\n" },
  { name: "copy with variables", files: FILES, dockerfile: "FROM {base}\nARG F=a.txt\nENV T=/to\nCOPY $F $T/${F}\n" },
  { name: "copy what is not there", files: FILES, dockerfile: "FROM {base}\nCOPY nothing /x\n" },
  { name: "copy nothing by wildcard", files: FILES, dockerfile: "FROM {base}\nCOPY *.none /x/\n" },
  { name: "copy several to a file", files: FILES, dockerfile: "FROM {base}\nCOPY a.txt b.txt /x\n" },
  { name: "copy from outside", files: FILES, dockerfile: "FROM {base}\nCOPY ../a.txt /x\n" },
  {
    name: "copy over a directory",
    files: FILES,
    dockerfile: "FROM {base}\nRUN mkdir /d && echo old > /d/old\nCOPY dir /d\nCOPY a.txt /d\n",
  },
  {
    name: "copy is ignored",
    files: { ...FILES, ".dockerignore": "b.txt\ndir\n!dir/c.txt\n" },
    dockerfile: "FROM {base}\nCOPY . /all\n",
  },
  { name: "copy to scratch", files: FILES, dockerfile: "FROM scratch\nCOPY a.txt /\nCOPY dir /dir/\n" },
  { name: "add", files: FILES, dockerfile: "FROM {base}\nADD a.txt /a\nADD dir /d/\n" },
  {
    name: "add an archive",
    files: { "t.tar": { content: archive() } },
    dockerfile: "FROM {base}\nADD t.tar /x\nCOPY t.tar /y/\n",
  },
  {
    name: "add a compressed archive",
    files: { "t.tar.gz": { content: gzipSync(archive()) } },
    dockerfile: "FROM {base}\nADD --chown=7:8 t.tar.gz /x\n",
  },
  {
    name: "add what is no archive",
    files: { "t.tar.gz": "no archive\n" },
    dockerfile: "FROM {base}\nADD t.tar.gz /x/\n",
  },
  {
    name: "copy from a stage",
    files: FILES,
    dockerfile:
      "FROM {base} AS one\nRUN mkdir /own && echo a > /own/a.txt && chown -R 1:2 /own\nFROM {base}\nCOPY --from=one /own /own\nCOPY --from=0 /own/a.txt /b\nCOPY --from=one --chown=3:4 /own /c\n",
  },
  { name: "copy from an image", files: FILES, dockerfile: "FROM scratch\nCOPY --from={base} /etc/passwd /p\n" },
  {
    name: "places: through links",
    files: FILES,
    dockerfile:
      "FROM {base}\nRUN ln -s /tmp /out && ln -s nowhere/far /dangling\nCOPY a.txt /out/\nCOPY dir /out\nCOPY a.txt /dangling\n",
  },
  {
    name: "places: owners of new directories",
    files: FILES,
    dockerfile:
      "FROM {base}\nCOPY --chown=7:8 a.txt /new/deep/a\nCOPY --chown=7:8 dir /other/deep\nCOPY --chown=9:9 dir /other/deep\n",
  },
  {
    name: "places: a file where a directory is",
    files: FILES,
    dockerfile: "FROM {base}\nRUN mkdir -p /d/a.txt/sub\nCOPY a.txt /d/\n",
  },
  {
    name: "places: set-id bits",
    files: { tool: { content: "x", mode: 0o6755 }, "in/tool": { content: "x", mode: 0o4711 } },
    dockerfile:
      "FROM {base} AS s\nRUN echo x > /t && chmod 6755 /t\nFROM {base}\nCOPY tool /a\nCOPY in /b/\nCOPY --from=s /t /c\nCOPY --from=s --chown=1 /t /d\n",
  },
  {
    name: "places: names of one file",
    dockerfile:
      "FROM {base} AS s\nRUN mkdir /h && echo x > /h/a && ln /h/a /h/b && mkfifo /h/p && chmod 1777 /h\nFROM {base}\nCOPY --from=s /h /h\n",
  },
];
