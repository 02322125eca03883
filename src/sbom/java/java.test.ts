import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, deflateRawSync } from "node:zlib";
import * as fc from "fast-check";
import { JAVA } from "./java.ts";

type Files = Readonly<Record<string, string | Buffer>>;

/** A ZIP archive. Files whose names end in `.jar` are stored, as Spring Boot wants them; others are deflated. */
function zip(files: Files, comment = ""): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, given] of Object.entries(files)) {
    const [content, path] = [Buffer.from(given as Buffer), Buffer.from(name)];
    const method = name.endsWith(".jar") ? 0 : 8;
    const packed = method === 0 ? content : deflateRawSync(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), common, path, packed]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\u0001\u0002\u0014\0"), common, place, path]));
    parts.push(local);
    offset += local.length;
  }
  const table = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006");
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, table, end, Buffer.from(comment)]);
}

function purls(bytes: Buffer, path: string): string[] {
  return JAVA.read(bytes, { path, distribution: { id: "", version: "" } }).map(({ purl }) => purl);
}

const LIBRARY: Files = {
  "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\nImplementation-Version: 9\r\n\r\n",
  "META-INF/maven/org.example/lib/pom.properties":
    "#Created by Maven\ngroupId=org.example\nartifactId=lib\nversion = 1.2.3\n",
  "org/example/Lib.class": "class",
};

test("an archive of Java is what Maven says that it is", () => {
  assert.deepEqual(purls(zip(LIBRARY, "a comment"), "opt/renamed.jar"), ["pkg:maven/org.example/lib@1.2.3"]);
});

test("without Maven's files, the manifest and the name say what an archive is", () => {
  const manifest =
    "Manifest-Version: 1.0\nBundle-SymbolicName: org.example.very.long.na\n me;singleton:=true\nBundle-Version: 2.0.0\n" +
    "Bundle-Vendor: Example\nBundle-License: Apache-2.0\n\nName: x\nImplementation-Version: 7\n";
  const bytes = zip({ "META-INF/MANIFEST.MF": manifest });
  const [found] = JAVA.read(bytes, { path: "opt/app.jar", distribution: { id: "", version: "" } });
  assert.deepEqual(found, {
    name: "org.example.very.long.name",
    version: "2.0.0",
    purl: "pkg:maven/org.example.very.long.name@2.0.0",
    supplier: "Example",
    license: "Apache-2.0",
  });
  const plain = zip({ "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\nImplementation-Vendor-Id: org.x\n" });
  assert.deepEqual(purls(plain, "lib/commons-io-2.11.0.jar"), ["pkg:maven/org.x/commons-io@2.11.0"]);
  assert.deepEqual(purls(plain, "lib/unknown.jar"), [], "it has no version");
});

test("archives in an archive are read, down to the third", () => {
  const third = zip({ "d.jar": zip(LIBRARY), "META-INF/MANIFEST.MF": "Implementation-Version: 3\n" });
  const second = zip({ "c.jar": third, "META-INF/MANIFEST.MF": "Implementation-Version: 2\n" });
  const first = zip({ "BOOT-INF/lib/lib-1.jar": zip(LIBRARY), "WEB-INF/lib/b.jar": second });
  assert.deepEqual(purls(first, "app.war"), ["pkg:maven/org.example/lib@1.2.3", "pkg:maven/b@2", "pkg:maven/c@3"]);
});

test("texts that are no coordinates, and files that inflate without end, give nothing", () => {
  const coordinates = (text: string): Buffer => zip({ "META-INF/maven/g/a/pom.properties": text });
  for (const text of [
    "groupId=../..\nartifactId=a\nversion=1\n",
    "groupId=g\nartifactId=${a}\nversion=1\n",
    "groupId=g\nartifactId=a\n",
    `groupId=g\nartifactId=a\nversion=1\n${" ".repeat(2 * 1024 * 1024)}`,
  ])
    assert.deepEqual(purls(coordinates(text), "x.jar"), [], text.slice(0, 60));
  assert.deepEqual(purls(Buffer.from("not an archive"), "x.jar"), []);
});

test("an archive that anybody has written is read to its end, without an error", () => {
  const original = zip({ ...LIBRARY, "lib/in.jar": zip(LIBRARY) });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 40 }),
      fc.nat(original.length),
      (changes, length) => {
        const bytes = Buffer.from(original);
        for (const [at, value] of changes) bytes[at] = value;
        assert.ok(purls(bytes, "x.jar").length <= 4);
        assert.ok(purls(bytes.subarray(0, length), "x.jar").length <= 4);
      },
    ),
  );
});
