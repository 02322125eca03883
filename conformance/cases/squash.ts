import type { ConformanceCase } from "../case.ts";

const flags = ["--squash"];
const CHANGES = `FROM {base}
COPY a.txt b.txt /files/
ENV A=1
RUN rm /files/b.txt /etc/passwd && mkdir -m 700 /made && echo c > /made/c && chmod 600 /files/a.txt
LABEL l=1
`;
const files = { "a.txt": "a\n", "b.txt": "b\n" };

/** Images with all that a build made in one layer. */
export const SQUASH: readonly ConformanceCase[] = [
  { name: "squash", dockerfile: CHANGES, files, flags },
  {
    name: "squash of what the cache has",
    dockerfile: CHANGES,
    files,
    flags,
    before: { tag: "once", dockerfile: CHANGES },
  },
  { name: "squash on nothing", dockerfile: 'FROM scratch\nCOPY a.txt /\nCOPY b.txt /d/\nCMD ["/a"]\n', files, flags },
  {
    name: "squash of a directory in the place of another",
    dockerfile:
      "FROM {base}\nRUN rm -r /tmp && mkdir /tmp && echo n > /tmp/new && rm -r /root && echo f > /root\nRUN mkdir /x && echo x > /x/y\nRUN rm -r /x\n",
    flags,
  },
  {
    name: "squash on a stage",
    dockerfile: "FROM {base} AS one\nCOPY a.txt /a\nENV ONE=1\nFROM one\nCOPY b.txt /b\nRUN rm /a\n",
    files,
    flags,
  },
  { name: "quiet squash", dockerfile: CHANGES, files, flags: [...flags, "--quiet"] },
];
