/** Files by path, for `Varve.files`. */
export type Files = Readonly<Record<string, string>>;

/**
 * A multi-stage build of twenty steps with something of everything whose cache keys two builders must agree on: steps that
 * run, files of the context, of other stages and linked ones, here-documents, archives, bind and cache mounts.
 */
export function twentySteps(base: string): Files {
  return {
    Dockerfile: dockerfile(base),
    ".dockerignore": "ignored\n",
    "app/main.txt": "main\n",
    "app/lib/one.txt": "one\n",
    "app/lib/two.txt": "two\n",
    "config/settings.ini": "[settings]\nvalue=1\n",
    "ignored/large.txt": "not of this build\n",
    "tools/check.sh": '#!/bin/sh\nwc -c < "$1"\n',
    "notes.txt": "notes\n",
  };
}

const dockerfile = (base: string): string => `FROM ${base} AS base
ARG GREETING=hello
ENV GREETING=$GREETING
RUN echo "$GREETING" > /greeting
WORKDIR /src

FROM base AS build
COPY app/ ./
COPY --chmod=755 tools/check.sh /usr/bin/check
RUN check main.txt > size.txt
RUN <<END
set -e
mkdir -p out
cat lib/*.txt > out/all.txt
END
COPY <<END out/generated.txt
generated for $GREETING
END
RUN --mount=type=cache,target=/cache date > /cache/last && cp size.txt out/
RUN --mount=type=bind,source=config,target=/config cat /config/settings.ini > out/settings.ini
RUN --mount=type=bind,from=base,source=/greeting,target=/tmp/greeting cat /tmp/greeting > out/greeting

FROM base AS docs
ADD notes.txt /docs/
RUN wc -l /docs/notes.txt > /docs/lines

FROM base
WORKDIR /opt/app
COPY --from=build /src/out/ ./
COPY --from=build --chown=10:20 /src/size.txt size
COPY --link --from=docs /docs/ /docs/
COPY --link config /etc/app/
RUN ls -R . > listing
RUN --network=none test -s listing
RUN rm settings.ini && mkdir -p state
USER 10:20
ENTRYPOINT ["/bin/sh"]
`;
