/** Runs the program that its arguments name as root of a user namespace, as the command does for ordinary users. */
import { enterUserNamespace, explainRefusal, planFor, waitForProgram } from "../src/isolation/index.ts";

const plan = planFor("userns");
const entered =
  "reason" in plan ? plan : await enterUserNamespace(plan, { command: process.argv.slice(2), env: process.env });
if ("reason" in entered) throw new Error(explainRefusal(entered).why);
process.exit(await waitForProgram(entered));
