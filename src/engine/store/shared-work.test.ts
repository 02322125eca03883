import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { recordsMissing } from "../../../testing/records.ts";
import { fillRootfs, rootfsUnavailable } from "../../../testing/rootfs.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { build } from "../build.ts";
import { type StoreOptions, openStore } from "./store.ts";

const skip = recordsMissing() ?? rootfsUnavailable() ?? false;

test("steps run by the runtime and with the name servers of the store", { skip }, async () => {
  await using folder = await temporaryDirectory("varve-steps-");
  const path = join(folder.path, "context");
  await mkdir(join(path, "root"), { recursive: true });
  fillRootfs(join(path, "root"));
  const lines = [
    "FROM scratch AS made",
    "COPY root /",
    "RUN cp /etc/resolv.conf /seen",
    "FROM scratch",
    "COPY --from=made /seen /",
  ];
  await writeFile(join(path, "Dockerfile"), lines.join("\n"));
  const made = async (steps: StoreOptions["steps"]): Promise<string> => {
    await using store = await openStore({ root: join(folder.path, "root"), steps });
    const dest = join(folder.path, "out");
    await build({ store, context: { kind: "directory", path }, noCache: true, outputs: [{ type: "local", dest }] });
    return readFileSync(join(dest, "seen"), "utf8");
  };
  const dns = { servers: ["10.9.8.7"], search: ["a.example", "b.example"], options: ["ndots:2"] };
  assert.match(await made({ dns }), /^nameserver 10\.9\.8\.7\nsearch a\.example b\.example\noptions ndots:2\n/);
  await assert.rejects(made({ runtime: "/bin/true" }), {
    message: /Cannot run steps: \/bin\/true is none of crun, runc/,
  });
});
