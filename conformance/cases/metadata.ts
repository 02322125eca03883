import type { ConformanceCase } from "../case.ts";

/** Instructions that change the image's config and make no layer. */
export const METADATA: readonly ConformanceCase[] = [
  { name: "env", dockerfile: 'FROM {base}\nENV A=1 B="two words" C=$A\nENV OLD form with spaces\nENV A=2 B=$A\n' },
  { name: "env quoting", dockerfile: 'FROM {base}\nENV A=\'single $HOME\' B=back\\ slash C="a \\"quote\\"" D=a\\$b\n' },
  {
    name: "env expansion",
    dockerfile: "FROM {base}\nENV A=x\nENV B=${A}y C=${NO:-default} D=${A:+set} E=${NO:+set}\n",
  },
  { name: "env path", dockerfile: "FROM {base}\nENV PATH=/opt/bin:$PATH\n" },
  { name: "label", dockerfile: 'FROM {base}\nLABEL one=1 two="2 and 3"\nLABEL one=again\nLABEL "with space"=x\n' },
  {
    name: "labels of the command line",
    dockerfile: "FROM {base}\nLABEL a=file\n",
    flags: ["--label=b=$x", "--label=a=flag"],
  },
  { name: "maintainer", dockerfile: "FROM {base}\nMAINTAINER Somebody <some@body.example>\nENV A=1\n" },
  { name: "expose", dockerfile: "FROM {base}\nENV P=90\nEXPOSE 80 443/udp 8000-8002\nEXPOSE $P/TCP\n" },
  { name: "user", dockerfile: "FROM {base}\nARG U=nobody\nUSER $U\nRUN id > /tmp/id\nUSER 12:34\n" },
  { name: "volume", dockerfile: 'FROM {base}\nVOLUME /a /b\nVOLUME ["/c d", "/e"]\nRUN true\n' },
  { name: "stopsignal", dockerfile: "FROM {base}\nSTOPSIGNAL SIGKILL\nSTOPSIGNAL 9\n" },
  { name: "stopsignal unknown", dockerfile: "FROM {base}\nSTOPSIGNAL SIGNOTHING\n" },
  { name: "shell", dockerfile: 'FROM {base}\nSHELL ["/bin/sh", "-e", "-c"]\nRUN echo x > /x\nENV A=1\nCMD echo cmd\n' },
  { name: "cmd exec", dockerfile: 'FROM {base}\nCMD ["echo", "a \\"b\\"", "$HOME"]\n' },
  { name: "cmd shell", dockerfile: "FROM {base}\nCMD echo $HOME && true\n" },
  { name: "cmd empty", dockerfile: "FROM {base}\nCMD []\n" },
  { name: "entrypoint clears cmd", dockerfile: 'FROM {base}\nENTRYPOINT ["ep", "x"]\n' },
  { name: "entrypoint keeps cmd", dockerfile: 'FROM {base}\nCMD ["c"]\nENTRYPOINT ["ep"]\n' },
  { name: "entrypoint shell", dockerfile: "FROM {base}\nENTRYPOINT exec top -b\n" },
  { name: "entrypoint empty", dockerfile: "FROM {base}\nENTRYPOINT []\n" },
  {
    name: "healthcheck",
    dockerfile:
      "FROM {base}\nHEALTHCHECK --interval=5s --timeout=3s --start-period=1s --retries=2 CMD wget -q localhost\n",
  },
  { name: "healthcheck exec", dockerfile: 'FROM {base}\nHEALTHCHECK CMD ["true", "x y"]\n' },
  { name: "healthcheck none", dockerfile: "FROM {base}\nHEALTHCHECK NONE\n" },
  { name: "healthcheck again", dockerfile: "FROM {base}\nHEALTHCHECK CMD one\nHEALTHCHECK CMD two\n" },
  { name: "onbuild", dockerfile: "FROM {base}\nONBUILD COPY . /app\nONBUILD RUN echo built > /built\n" },
  {
    name: "arg",
    dockerfile: "FROM {base}\nARG A\nARG B=default C\nENV E=$B\nRUN echo $A $B > /x\n",
    flags: ["--build-arg=A=given"],
  },
  {
    name: "arg of the environment",
    dockerfile: "FROM {base}\nARG A=1\nENV A=2\nRUN echo $A > /x\n",
    flags: ["--build-arg=A=3"],
  },
  {
    name: "arg not consumed",
    dockerfile: "FROM {base}\nENV A=1\n",
    flags: ["--build-arg=NOTUSED=1", "--build-arg=ALSO=2"],
  },
  {
    name: "proxy arguments",
    dockerfile: "FROM {base}\nRUN echo $HTTP_PROXY > /x\n",
    flags: ["--build-arg=HTTP_PROXY=http://proxy.example"],
  },
  {
    name: "comments and continuations",
    dockerfile: "# first\nFROM {base}\n# second\nENV A=1 \\\n  # within\n  B=2 \\\n  C=3\n",
  },
  { name: "escape directive", dockerfile: "# escape=`\nFROM {base}\nENV A=1 `\n    B=back\\slash\n" },
  { name: "empty continuation line", dockerfile: "FROM {base}\nENV A=1 \\\n\n    B=2\n" },
  { name: "lower case", dockerfile: "from {base}\nenv A=1\nrun echo x > /x\n" },
];
