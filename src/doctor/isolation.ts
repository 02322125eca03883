import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { ExecFacts } from "../exec/index.ts";
import { type StepIsolation, attemptUserNamespace, explainRefusal, idCount } from "../isolation/index.ts";
import { type IdMaps, findProgram, landlockVersion, ownIdMaps } from "../linux/index.ts";
import { CHROOT } from "./machine.ts";
import { type Fact, limited, missing, ok } from "./fact.ts";

const run = promisify(execFile);
const NAME = "isolation";
/** Images have owners up to 65534, the user "nobody". */
const USUAL_IDS = 65_535;
const MORE_IDS = "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME";
const DEADLINE = 10_000;

/** Reports how builds of this user are kept apart from the machine, and if they are not, why. */
export async function isolationFacts(
  { root, mayMount, mayChroot }: ExecFacts,
  isolation: StepIsolation,
): Promise<Fact[]> {
  if (isolation === "chroot") return [chrootFact(mayChroot)];
  const maps = ownIdMaps();
  if (maps !== undefined) return [idsFact(maps), await procFact()];
  const without = mayChroot ? { ...WITHOUT, fix: CHROOT } : WITHOUT;
  if (root) return [mayMount ? ok(NAME, "root") : limited(NAME, "none: root without CAP_SYS_ADMIN", without)];
  const attempted = await attemptUserNamespace();
  if (!("reason" in attempted))
    return [limited(NAME, "none, as asked for", { consequence: WITHOUT.consequence, fix: "varve --isolation=auto …" })];
  const { why, fix } = explainRefusal(attempted);
  return [missing(NAME, "none", { consequence: `${why}: RUN steps cannot run`, fix })];
}

function chrootFact(mayChroot: boolean): Fact {
  if (!mayChroot)
    return missing(NAME, "chroot", {
      consequence: "this process lacks capabilities that containers have by default: RUN steps cannot run",
      fix: "docker run --user 0 …",
    });
  return limited(NAME, `chroot, ${landlockVersion() >= 6 ? "with" : "without"} Landlock`, {
    consequence: "RUN steps are not isolated from each other, nor from the network of this container",
  });
}

const WITHOUT = { consequence: "RUN steps cannot run", fix: "docker run --privileged …" };

function idsFact(maps: IdMaps): Fact {
  const count = idCount(maps);
  const value = `user namespace (${count} ${count === 1 ? "id" : "ids"})`;
  if (count >= USUAL_IDS) return ok(NAME, value);
  return limited(NAME, value, {
    consequence: `files of users and groups from ${count} on cannot be made`,
    fix: MORE_IDS,
  });
}

/** Each step has a /proc of its own. The kernel allows none to those who do not see all of the machine's. */
async function procFact(): Promise<Fact> {
  const unshare = await findProgram("unshare");
  try {
    await run(unshare ?? "unshare", ["--mount", "--pid", "--fork", "--mount-proc", "true"], { timeout: DEADLINE });
    return ok("proc", "own");
  } catch {
    return missing("proc", "refused", {
      consequence: "parts of /proc are covered, as in a container: RUN steps cannot run",
      fix: "docker run --security-opt systempaths=unconfined …; in Kubernetes: procMount: Unmasked",
    });
  }
}
