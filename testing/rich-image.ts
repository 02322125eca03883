import {
  chmodSync,
  constants,
  linkSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { lsetxattr, mknod } from "../src/linux/index.ts";
import { CAPABILITY } from "./trees.ts";
import { type BuildOutcome, type Varve, busyboxImage, sh } from "./varve.ts";

/** A name longer than a plain tar header takes, in one part and as a path. */
export const LONG_NAME: string = "n".repeat(200);
export const LONG_PATH: string = Array.from({ length: 6 }, (_, index) => `${index}${"d".repeat(59)}`).join("/");

/** A context whose `special.tar`, made by the system's tar, has one of everything a layer can hold. */
export async function richContext(varve: Varve): Promise<string> {
  const tree = join(varve.folder, "special");
  makeSpecialTree(tree);
  const context = await varve.files("rich", { "app/run.sh": RUN_SCRIPT, "app/naïve ☃.txt": "snow\n" });
  await sh(
    "tar",
    "--xattrs",
    "--xattrs-include=*",
    "--format=posix",
    "-cf",
    join(context, "special.tar"),
    "-C",
    tree,
    "special",
  );
  return context;
}

const RUN_SCRIPT = '#!/bin/sh\necho "$GREETING from $(pwd) as $(id -u):$(id -g) with $*"\n';

function makeSpecialTree(folder: string): void {
  const at = (...names: string[]): string => join(folder, "special", ...names);
  mkdirSync(at(LONG_PATH), { recursive: true });
  mkdirSync(at("sticky"));
  writeFileSync(at("one"), "shared");
  linkSync(at("one"), at("two"));
  linkSync(at("one"), at("sticky", "three"));
  writeFileSync(at(LONG_NAME), "long name");
  writeFileSync(at(LONG_PATH, "end"), "long path");
  writeFileSync(at("größe-日本語-\u{1f40b}"), "not ASCII");
  writeFileSync(at("new\nline"), "odd");
  writeFileSync(at("setuid"), "#!/bin/sh\n");
  writeFileSync(at("capable"), "capable");
  writeFileSync(at("owned"), "owned");
  writeFileSync(at("empty"), "");
  writeFileSync(at("zeros"), Buffer.alloc(1_000_000));
  symlinkSync("../one", at("sticky", "link"));
  symlinkSync("/nowhere/" + "x".repeat(150), at("dangling"));
  mknod(at("pipe"), constants.S_IFIFO | 0o640, 0, 0);
  mknod(at("null"), constants.S_IFCHR | 0o666, 1, 3);
  lchownSync(at("owned"), 1234, 2_097_153);
  lchownSync(at("dangling"), 7, 8);
  chmodSync(at("setuid"), 0o6755);
  chmodSync(at("sticky"), 0o1777);
  chmodSync(at("empty"), 0o000);
  lsetxattr(at("capable"), "security.capability", CAPABILITY);
  lutimesSync(at("owned"), 1_000_000_000.25, 1_000_000_000.25);
  lutimesSync(at("empty"), 1, 1);
  lutimesSync(at("dangling"), 5, 5);
}

/** On the base below: files come, change, vanish, and directories are replaced; the config has every field. */
export const RICH_DOCKERFILE = `FROM varve.test/rich-base:1
ADD special.tar /
RUN echo run > /special/run && ln /special/run /special/run-link && ln /special/one /special/four \\
 && mv /special/capable /special/moved && chmod 2755 /special/setuid
RUN rm /base/removed && rm -r /base/replaced && mkdir /base/replaced && echo new > /base/replaced/new \\
 && rm -r /base/gone && rm -r /base/file-now && echo file > /base/file-now \\
 && rm /base/directory-now && mkdir /base/directory-now && touch /base/directory-now/inside
RUN rm /special/zeros /base/replaced/new && chmod 700 /base/kept && chown 5:6 /base/kept/file
COPY --chown=1000:1000 --chmod=755 app /app/
LABEL org.example.one="1" org.example.two="two words" empty=""
ENV GREETING="hello there" EMPTY= QUOTED='a "b" $c'
EXPOSE 8080 53/udp
VOLUME /data
STOPSIGNAL SIGINT
HEALTHCHECK --interval=7s --timeout=2s --start-period=1s --retries=4 CMD ["/bin/true"]
USER 1000:1000
WORKDIR /app
ENTRYPOINT ["/app/run.sh"]
CMD ["one", "two words"]
`;

/** What the container of this image says without arguments. */
export const RICH_OUTPUT = "hello there from /app as 1000:1000 with one two words\n";

/** The fields of the image's config, in the words of the image specification. */
export const RICH_CONFIG = {
  User: "1000:1000",
  ExposedPorts: { "53/udp": {}, "8080/tcp": {} },
  Env: [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "GREETING=hello there",
    "EMPTY=",
    'QUOTED=a "b" $c',
  ],
  Entrypoint: ["/app/run.sh"],
  Cmd: ["one", "two words"],
  Volumes: { "/data": {} },
  WorkingDir: "/app",
  Labels: { "org.example.one": "1", "org.example.two": "two words", empty: "" },
  StopSignal: "SIGINT",
} as const;

/** Nanoseconds. */
export const RICH_HEALTHCHECK = {
  Test: ["CMD", "/bin/true"],
  Interval: 7_000_000_000,
  Timeout: 2_000_000_000,
  StartPeriod: 1_000_000_000,
  Retries: 4,
} as const;

/** Puts the base that `RICH_DOCKERFILE` stands on into the store. */
export async function richBase(varve: Varve): Promise<void> {
  const base = await busyboxImage(varve);
  const context = await varve.files("rich-base", {
    "base/removed": "1",
    "base/kept/file": "2",
    "base/replaced/old": "3",
    "base/replaced/deep/older": "4",
    "base/gone/file": "5",
    "base/file-now/inside": "6",
    "base/directory-now": "7",
  });
  await varve.build(["-t", "varve.test/rich-base:1", "-f", "-", context], {
    input: `FROM ${base}\nCOPY base /base/\n`,
  });
}

/** Unpacks an archive of a whole tree with the system's tar. */
export async function untar(archive: string, folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await sh("tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", archive, "-C", folder);
  return folder;
}

/** Builds the image with these outputs besides `type=image`, which names it `varve.test/rich:1`. */
export async function buildRich(varve: Varve, ...outputs: readonly string[]): Promise<BuildOutcome> {
  const context = await richContext(varve);
  const flags = ["type=image", ...outputs].flatMap((output) => ["-o", output]);
  return await varve.build(["-t", RICH_NAME, "-f", "-", ...flags, context], { input: RICH_DOCKERFILE });
}

export const RICH_NAME = "varve.test/rich:1";
