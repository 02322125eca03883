import type { ConformanceCase } from "../case.ts";

/** Stages, bases, and Dockerfiles that are wrong. */
export const STAGES: readonly ConformanceCase[] = [
  { name: "from alone", dockerfile: "FROM {base}\n" },
  { name: "from scratch", layerless: true, dockerfile: "FROM scratch\nENV A=1\nLABEL b=2\n" },
  { name: "from scratch alone", dockerfile: "FROM scratch\n" },
  {
    name: "from with arguments",
    dockerfile: "ARG WHICH={base}\nARG UNUSED=1\nFROM $WHICH\nARG WHICH\nRUN echo $WHICH > /dev/null\n",
  },
  {
    name: "several stages",
    dockerfile:
      "FROM {base} AS one\nRUN echo 1 > /1\nFROM one AS two\nRUN echo 2 > /2\nFROM {base} AS unused\nRUN echo 3 > /3\nFROM two\nCOPY --from=one /1 /one\n",
  },
  { name: "target", dockerfile: "FROM {base} AS one\nENV A=1\nFROM {base} AS two\nENV B=1\n", flags: ["--target=ONE"] },
  { name: "target unknown", dockerfile: "FROM {base}\nENV A=1\n", flags: ["--target=nope"] },
  { name: "stage names twice", dockerfile: "FROM {base} AS a\nFROM {base} AS A\n" },
  {
    name: "triggers",
    before: { tag: "triggers:1", dockerfile: "FROM {base}\nONBUILD ENV A=1\nONBUILD RUN echo x > /x\n" },
    dockerfile: "FROM triggers:1\nENV B=2\n",
  },
  {
    name: "one trigger",
    before: { tag: "trigger:1", dockerfile: "FROM {base}\nONBUILD COPY Dockerfile /d\n" },
    dockerfile: "FROM trigger:1\n",
  },
  {
    name: "cached",
    before: { tag: "cached:1", dockerfile: "FROM {base}\nENV A=1\nRUN echo x > /x\nWORKDIR /w\nCOPY Dockerfile /d\n" },
    dockerfile: "FROM {base}\nENV A=1\nRUN echo x > /x\nWORKDIR /w\nCMD new\n",
  },
  {
    name: "several tags",
    dockerfile: "FROM {base}\nENV A=1\n",
    flags: ["--tag=second", "--tag=second:latest", "--tag=docker.io/library/third:3"],
  },
  { name: "empty", dockerfile: "\n" },
  { name: "no stage", dockerfile: "RUN true\n" },
  { name: "unknown instruction", dockerfile: "FROM {base}\nFETCH x\n" },
  { name: "instruction without arguments", dockerfile: "FROM {base}\nENV\n" },
  { name: "onbuild that may not be", dockerfile: "FROM {base}\nONBUILD FROM x\n" },
  { name: "image that is not there", dockerfile: "FROM 127.0.0.1:1/no/such:image\n" },
  { name: "from an index that is not there", dockerfile: "FROM {base}\nCOPY --from=5 /x /x\n" },
];
