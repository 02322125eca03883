import type { ConformanceCase } from "../case.ts";

/** Steps that run something. */
export const RUN: readonly ConformanceCase[] = [
  { name: "run shell", dockerfile: "FROM {base}\nRUN echo one > /one && mkdir -p /d/e && echo two > /d/e/two\n" },
  { name: "run exec", dockerfile: 'FROM {base}\nRUN ["sh", "-c", "echo \\"x  y\\" > /x"]\n' },
  { name: "run that changes nothing", dockerfile: "FROM {base}\nRUN true\nRUN echo only printed\n" },
  {
    name: "run output",
    dockerfile: "FROM {base}\nRUN echo out; sleep 0.3; echo err >&2; sleep 0.3; printf 'no end'\n",
  },
  { name: "run that removes", dockerfile: "FROM {base}\nRUN mkdir /d && touch /d/a /d/b\nRUN rm /d/a\nRUN rm -r /d\n" },
  { name: "run that fails", dockerfile: "FROM {base}\nRUN echo before; exit 7\nRUN true\n" },
  { name: "run of what is not there", dockerfile: 'FROM {base}\nRUN ["/no/such/program"]\n' },
  { name: "run as a user", dockerfile: "FROM {base}\nUSER nobody\nRUN touch /tmp/mine && id -u > /tmp/uid\n" },
  { name: "run as an unknown user", dockerfile: "FROM {base}\nUSER stranger\nRUN true\n" },
  { name: "run with links", dockerfile: "FROM {base}\nRUN echo a > /a && ln /a /b && ln -s a /c && chmod 4755 /a\n" },
  { name: "run with continuation", dockerfile: "FROM {base}\nRUN echo a \\\n  b \\\n  c > /x\n" },
  { name: "run with an entrypoint", dockerfile: 'FROM {base}\nENTRYPOINT ["/no/such"]\nRUN echo x > /x\n' },
  { name: "run after a volume", dockerfile: "FROM {base}\nVOLUME /v\nRUN echo kept > /kept && echo lost > /v/lost\n" },
  { name: "run nothing", dockerfile: "FROM {base}\nRUN []\n" },
  { name: "run nothing after an entrypoint", dockerfile: 'FROM {base}\nENTRYPOINT ["true"]\nRUN []\n' },
  { name: "run nothing that fails", dockerfile: 'FROM {base}\nCMD ["false"]\nRUN []\n' },
  { name: "run nothing with an argument", dockerfile: "FROM {base}\nARG A=b\nRUN []\n" },
  { name: "volume over a file", dockerfile: "FROM {base}\nRUN echo x > /x\nVOLUME /x\n" },
  { name: "volume over a link", dockerfile: "FROM {base}\nRUN echo x > /x && ln -s x /l\nVOLUME /l\n" },
  { name: "volume under a file", dockerfile: "FROM {base}\nVOLUME /etc/passwd/v\n" },
  { name: "volume that becomes a file", dockerfile: "FROM {base}\nVOLUME /x\nCOPY Dockerfile /x\nENV a=b\n" },
  { name: "workdir over a file", dockerfile: "FROM {base}\nWORKDIR /etc/passwd\n" },
  {
    name: "workdir that becomes a file",
    dockerfile: "FROM {base}\nWORKDIR /x\nRUN cd / && rmdir x && echo > x\nENV a=b\n",
  },
  { name: "run in a directory", dockerfile: "FROM {base}\nWORKDIR /w\nRUN pwd > here\nWORKDIR sub\nRUN pwd > here\n" },
  {
    name: "workdir",
    dockerfile: "FROM {base}\nWORKDIR /new/deep\nWORKDIR /tmp\nWORKDIR ../etc\nENV D=x\nWORKDIR $D\n",
  },
  { name: "workdir as a user", dockerfile: "FROM {base}\nUSER nobody\nWORKDIR /owned\n" },
  {
    name: "hosts",
    dockerfile: "FROM {base}\nRUN grep -c special /etc/hosts > /x\n",
    flags: ["--add-host=special:10.1.2.3"],
  },
  { name: "ulimit", dockerfile: "FROM {base}\nRUN ulimit -n > /x\n", flags: ["--ulimit=nofile=123:456"] },
  {
    name: "shm size",
    dockerfile: "FROM {base}\nRUN df -k /dev/shm | tail -1 | awk '{print $2}' > /x\n",
    flags: ["--shm-size=33554432"],
  },
  { name: "memory", dockerfile: "FROM {base}\nRUN true\n", flags: ["--memory=67108864"] },
  { name: "keep intermediate containers", dockerfile: "FROM {base}\nENV A=1\nRUN true\n", flags: ["--rm=false"] },
  { name: "quiet", dockerfile: "FROM {base}\nRUN echo loud\n", flags: ["--quiet"] },
  { name: "no cache", dockerfile: "FROM {base}\nENV A=1\nRUN echo x > /x\n", flags: ["--no-cache"] },
  {
    name: "bare: run in an image of one file",
    dockerfile:
      'FROM scratch\nCOPY --from={base} /bin/busybox /bin/busybox\nRUN ["/bin/busybox", "true"]\nRUN ["/bin/busybox", "mkdir", "/made"]\n',
  },
  {
    name: "bare: network files",
    dockerfile: "FROM {base}\nRUN rm -f /etc/hosts && echo x > /etc/other\nRUN ls /etc > /dev/null\n",
  },
  {
    name: "bare: hostname",
    dockerfile: 'FROM {base}\nRUN test "$(hostname)" = "$HOSTNAME" && env | grep -v HOSTNAME | sort > /env\n',
  },
];
