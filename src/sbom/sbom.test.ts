import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { type Scan, scanTree, spdxDocument } from "./index.ts";

const folder = await mkdtemp(join(tmpdir(), "varve-sbom-"));
after(() => rm(folder, { recursive: true, force: true }));

type Files = Readonly<Record<string, string | Buffer>>;

async function scan(name: string, files: Files): Promise<Scan> {
  const root = join(folder, name);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content, { mode: path.startsWith("bin/") ? 0o755 : 0o644 });
  }
  return await scanTree(Buffer.from(root), {});
}

/** The package URLs that were found, by the file that names them. */
function purls({ files }: Scan): Record<string, string[]> {
  return Object.fromEntries(files.map(({ path, packages }) => [path, packages.map(({ purl }) => purl)]));
}

const DEBIAN = 'PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n';

test("packages of dpkg are those that are installed", async () => {
  const found = await scan("dpkg", {
    "etc/os-release": DEBIAN,
    "var/lib/dpkg/status":
      "Package: libc6\nStatus: install ok installed\nMaintainer: GNU <a@b>\nArchitecture: amd64\nVersion: 2.36-9+deb12u4\nDescription: x\n more\n\n" +
      "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: tzdata\nStatus: install ok installed\nVersion: 1:2024a\n",
    "var/lib/dpkg/status.d/base": "Package: base-files\nVersion: 12\nArchitecture: all\n",
    "var/lib/dpkg/status.d/base.md5sums": "Package: wrong\nVersion: 1\n",
  });
  assert.deepEqual(purls(found), {
    "var/lib/dpkg/status": [
      "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12",
      "pkg:deb/debian/tzdata@1:2024a?distro=debian-12",
    ],
    "var/lib/dpkg/status.d/base": ["pkg:deb/debian/base-files@12?arch=all&distro=debian-12"],
  });
  assert.equal(found.files[0]?.packages[0]?.supplier, "GNU <a@b>");
});

test("packages of apk", async () => {
  const found = await scan("apk", {
    "usr/lib/os-release": "ID=alpine\nVERSION_ID=3.20.1\n",
    "lib/apk/db/installed":
      "C:Q1abc\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\nm:T <t@a>\nF:lib\nR:ld.so\n\nP:busybox\nV:1.36-r1\nA:x86_64\n",
  });
  assert.deepEqual(purls(found), {
    "lib/apk/db/installed": [
      "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1",
      "pkg:apk/alpine/busybox@1.36-r1?arch=x86_64&distro=alpine-3.20.1",
    ],
  });
  assert.equal(found.files[0]?.packages[0]?.license, "MIT");
});

test("packages of npm and Python, also below others", async () => {
  const found = await scan("languages", {
    "app/package.json": '{"name":"app","version":"1.0.0"}',
    "app/node_modules/left-pad/package.json": '{"name":"left-pad","version":"1.3.0","license":"WTFPL"}',
    "app/node_modules/@types/node/package.json": '{"name":"@types/node","version":"24.0.0"}',
    "app/node_modules/left-pad/node_modules/in/package.json": '{"name":"in","version":"2.0.0"}',
    "app/node_modules/left-pad/test/package.json": '{"name":"fixture","version":"0.0.0"}',
    "usr/lib/python3/site-packages/Flask_Cors-4.0.1.dist-info/METADATA":
      "Metadata-Version: 2.1\nName: Flask_Cors\nVersion: 4.0.1\nLicense: MIT\n\nVersion: not this one\n",
    "usr/lib/python3/dist-packages/six.egg-info": "Name: six\nVersion: 1.16.0\n",
  });
  assert.deepEqual(Object.values(purls(found)).flat().toSorted(), [
    "pkg:npm/%40types/node@24.0.0",
    "pkg:npm/in@2.0.0",
    "pkg:npm/left-pad@1.3.0",
    "pkg:pypi/flask-cors@4.0.1",
    "pkg:pypi/six@1.16.0",
  ]);
});

/** A program with one section, as Go links it. */
function program(modules: string): Buffer {
  const size = Buffer.from([0x80 | (modules.length & 0x7f), modules.length >> 7]);
  const info = Buffer.concat([
    Buffer.from("\u00ff Go buildinf:\u0008\u0002", "latin1"),
    Buffer.alloc(16),
    Buffer.from("\u0008go1.27.3", "latin1"),
    size,
    Buffer.from(modules),
  ]);
  const names = Buffer.from("\0.shstrtab\0.go.buildinfo\0");
  const header = Buffer.alloc(64);
  header.write("\u007fELF\u0002\u0001", "latin1");
  const table = Buffer.alloc(3 * 64);
  for (const [index, [name, offset, length]] of [
    [0, 0, 0],
    [1, 64, names.length],
    [11, 64 + names.length, info.length],
  ].entries()) {
    table.writeUInt32LE(name ?? 0, index * 64);
    table.writeBigUInt64LE(BigInt(offset ?? 0), index * 64 + 0x18);
    table.writeBigUInt64LE(BigInt(length ?? 0), index * 64 + 0x20);
  }
  header.writeBigUInt64LE(BigInt(64 + names.length + info.length), 0x28);
  for (const [at, value] of [
    [0x3a, 64],
    [0x3c, 3],
    [0x3e, 1],
  ] as const)
    header.writeUInt16LE(value, at);
  return Buffer.concat([header, names, info, table, Buffer.alloc(512 * 1024)]);
}

test("modules of a program of Go", async () => {
  const mark = "0123456789abcdef";
  const modules = `path\texample.com/cmd\nmod\texample.com/cmd\t(devel)\t\ndep\tgolang.org/x/text\tv0.3.0\th1:a=\ndep\ta.b/c\tv1.0.0\n=>\td.e/f\tv1.1.0\th1:b=\n`;
  const found = await scan("go", { "bin/cmd": program(mark + modules + mark) });
  assert.deepEqual(purls(found), {
    "bin/cmd": [
      "pkg:golang/example.com/cmd@%28devel%29",
      "pkg:golang/golang.org/x/text@v0.3.0",
      "pkg:golang/d.e/f@v1.1.0",
    ],
  });
});

test("files that lie are left out", async () => {
  const cut = program("x".repeat(200));
  const found = await scan("hostile", {
    "etc/os-release": "ID=\n\0VERSION_ID",
    "a/node_modules/b/package.json": "{",
    "a/node_modules/c/package.json": "[1]",
    "a/node_modules/d/package.json": '{"name":"../../d","version":"1"}',
    "a/node_modules/e/package.json": '{"name":"e","version":{}}',
    "x.dist-info/METADATA": `Name: ${"a\n".repeat(10)}`,
    "lib/apk/db/installed": "P:\nV:1\n\nP:only\n",
    "bin/cut": cut.subarray(0, 300 * 1024),
    "bin/short": Buffer.concat([cut.subarray(0, 0x28), Buffer.alloc(300 * 1024, 0xff)]),
  });
  assert.deepEqual(purls(found), {});
});

test("links lead to nothing outside the tree, and are not followed", async () => {
  const outside = join(folder, "outside");
  await mkdir(join(outside, "node_modules/x"), { recursive: true });
  await writeFile(join(outside, "node_modules/x/package.json"), '{"name":"x","version":"1"}');
  await writeFile(join(folder, "release"), DEBIAN);
  const root = join(folder, "links");
  await mkdir(join(root, "etc"), { recursive: true });
  await symlink(join(outside, "node_modules"), join(root, "node_modules"));
  await symlink(join(folder, "release"), join(root, "etc/os-release"));
  const found = await scanTree(Buffer.from(root), {});
  assert.deepEqual(found, { distribution: { id: "", version: "" }, files: [] });
});

test("a document is SPDX 2.3, with the files that show each package, and the same for the same tree", async () => {
  const files = {
    "etc/os-release": DEBIAN,
    "n/node_modules/a/package.json": '{"name":"a","version":"1.0.0","license":"MIT"}',
  };
  const facts = { name: "sbom", creator: "Tool: varve", created: "2026-01-01T00:00:00Z" };
  const text = spdxDocument(await scan("document", files), facts);
  assert.equal(spdxDocument(await scan("document-again", files), facts), text);
  const {
    documentNamespace,
    packages,
    files: shown,
    relationships,
    ...rest
  } = JSON.parse(text) as {
    documentNamespace: string;
    packages: Record<string, string>[];
    files: { SPDXID: string; fileName: string; checksums: { algorithm: string; checksumValue: string }[] }[];
    relationships: Record<string, string>[];
  };
  assert.deepEqual(rest, {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: "sbom",
    creationInfo: { creators: ["Tool: varve"], created: "2026-01-01T00:00:00Z" },
  });
  assert.match(documentNamespace, /^https:\/\/spdx\.org\/spdxdocs\/sbom-[0-9a-f]{32}$/);
  assert.deepEqual(
    packages.map(({ name, versionInfo, licenseComments }) => [name, versionInfo, licenseComments]),
    [
      ["sbom", "debian 12", undefined],
      ["a", "1.0.0", "As the package says: MIT"],
    ],
  );
  const [file] = shown;
  assert.equal(file?.fileName, "/n/node_modules/a/package.json");
  assert.equal(file?.checksums[0]?.checksumValue.length, 40);
  assert.deepEqual(
    relationships.map(({ relationshipType, relatedSpdxElement }) => [relationshipType, relatedSpdxElement]),
    [
      ["DESCRIBES", "SPDXRef-DocumentRoot"],
      ["CONTAINS", packages[1]?.["SPDXID"]],
      ["OTHER", file?.SPDXID],
    ],
  );
});
