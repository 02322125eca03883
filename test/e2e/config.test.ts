import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

describe("what the config says", { skip }, () => {
  test("every instruction of metadata stands in it", async () => {
    const folder = await varve.context(
      "all",
      `FROM ${base}
MAINTAINER someone <someone@varve.test>
ENV A=1 B="two words" PATH=/opt:$PATH
LABEL one=1 two="2 \${A}"
WORKDIR /srv
WORKDIR app
USER nobody:nobody
EXPOSE 80 53/udp 8000-8001
VOLUME /data /more
STOPSIGNAL SIGQUIT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=1m --retries=4 CMD wget -q localhost
ENTRYPOINT ["/bin/echo", "hi"]
CMD echo shell form
ONBUILD RUN echo later
`,
    );
    const { config } = await varve.make(["--label", "two=flag", "--label", "three=3", folder]);
    assert.equal(config.author, "someone <someone@varve.test>");
    assert.deepEqual(config.config, {
      ArgsEscaped: true,
      User: "nobody:nobody",
      ExposedPorts: { "53/udp": {}, "80/tcp": {}, "8000/tcp": {}, "8001/tcp": {} },
      Env: ["PATH=/opt:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "B=two words"],
      Cmd: ["/bin/sh", "-ec", "echo shell form"],
      Entrypoint: ["/bin/echo", "hi"],
      Volumes: { "/data": {}, "/more": {} },
      WorkingDir: "/srv/app",
      Labels: { one: "1", two: "flag", three: "3" },
      StopSignal: "SIGQUIT",
      Shell: ["/bin/sh", "-ec"],
      OnBuild: ["RUN echo later"],
      Healthcheck: {
        Test: ["CMD-SHELL", "wget -q localhost"],
        Interval: 5_000_000_000,
        Timeout: 3_000_000_000,
        StartPeriod: 60_000_000_000,
        Retries: 4,
      },
    });
    const layers = config.history.filter((entry) => entry["empty_layer"] !== true);
    assert.equal(layers.length, config.rootfs.diff_ids.length);
    assert.ok(config.history.some((entry) => entry["created_by"] === "MAINTAINER someone <someone@varve.test>"));
  });

  test("variables: where they reach, what modifies them, what the command line says", async () => {
    const folder = await varve.context(
      "variables",
      `ARG TAG=1
ARG GLOBAL=global
FROM varve.test/busybox:\${TAG} AS one
ARG GLOBAL
ARG OWN=own
ENV FROM_ARG=\${OWN}-env
RUN echo "$GLOBAL $OWN $FROM_ARG \${UNSET:-none} \${OWN:+set}" > /one
FROM one AS two
ARG TAG
RUN echo "[$GLOBAL][$OWN][$TAG][$FROM_ARG]" > /two
ENV LONG=a.b.c.b
ENV CUT=\${LONG#*.} CUTS=\${LONG##*.} END=\${LONG%.*} ENDS=\${LONG%%.*} FIRST=\${LONG/b/x} EACH=\${LONG//b/x}
ENV KEEP=\\$LONG QUOTED='$LONG'
ARG FROM_ARG=shadowed
ENV SEEN=$FROM_ARG
FROM varve.test/busybox:1 AS unrelated
RUN echo "[$GLOBAL][$OWN]" > /unrelated
FROM two
COPY --from=unrelated /unrelated /
ARG TARGETARCH
ARG BUILDPLATFORM
RUN env > /env
`,
    );
    const made = await varve.make(["--build-arg", "OWN=given", "--build-arg", "UNKNOWN=ignored", folder]);
    assert.equal(made.text("one"), "global given given-env none set\n");
    assert.equal(made.text("two"), "[global][given][1][given-env]\n");
    assert.equal(made.text("unrelated"), "[][]\n");
    const env = new Set(made.text("env").split("\n"));
    for (const line of [
      "CUT=b.c.b",
      "CUTS=b",
      "END=a.b.c",
      "ENDS=a",
      "FIRST=a.x.c.b",
      "EACH=a.x.c.x",
      "KEEP=$LONG",
      "QUOTED=$LONG",
      "SEEN=shadowed",
      `TARGETARCH=${made.config.architecture}`,
    ])
      assert.ok(env.has(line), `${line} in ${[...env].join(" ")}`);
  });

  test("a value without = comes from the environment", async () => {
    const folder = await varve.context("environment", `FROM scratch\nARG WHO=nobody\nLABEL who=$WHO\n`);
    const given = await varve.make(["--build-arg", "WHO", folder], { env: { WHO: "me" } });
    assert.deepEqual(given.config.config["Labels"], { who: "me" });
    const absent = await varve.make(["--build-arg", "WHO", folder], { env: { WHO: undefined } });
    assert.deepEqual(absent.config.config["Labels"], { who: "nobody" });
  });

  test("ENTRYPOINT takes back an inherited CMD; HEALTHCHECK NONE an inherited check", async () => {
    const parent = await varve.context("parent", `FROM ${base}\nHEALTHCHECK CMD true\nCMD ["inherited"]\n`);
    await varve.build(["-t", "varve.test/parent", parent]);
    const folder = await varve.context("child", 'FROM varve.test/parent\nENTRYPOINT ["x"]\nHEALTHCHECK NONE\n');
    const { config } = await varve.make([folder]);
    assert.equal(config.config["Cmd"], undefined);
    assert.deepEqual(config.config["Healthcheck"], { Test: ["NONE"] });
  });

  test("triggers of a base image run first, and only once", async () => {
    const parent = await varve.context(
      "trigger",
      `FROM ${base}\nONBUILD COPY a /a\nONBUILD RUN echo "$(cat /a)!" > /ran\n`,
    );
    await varve.build(["-t", "varve.test/trigger", parent]);
    const child = await varve.context("triggered", "FROM varve.test/trigger\nRUN cat /ran > /after\n", { a: "text" });
    const made = await varve.make(["--load", "-t", "varve.test/triggered", child]);
    assert.equal(made.text("after"), "text!\n");
    assert.equal(made.config.config["OnBuild"], undefined);
    const grandchild = await varve.context("grandchild", "FROM varve.test/triggered\n");
    assert.equal((await varve.make([grandchild])).text("ran"), "text!\n");
  });

  test("the image is for the platform asked for, without anything of it being run", async () => {
    const folder = await varve.context(
      "platform",
      `FROM --platform=$BUILDPLATFORM ${base} AS build
ARG TARGETPLATFORM
RUN echo $TARGETPLATFORM > /target
FROM scratch
COPY --from=build /target /target
`,
    );
    const made = await varve.make(["--platform", "linux/arm64", folder]);
    assert.deepEqual([made.config.os, made.config.architecture], ["linux", "arm64"]);
    assert.equal(made.text("target"), "linux/arm64\n");
  });
});
