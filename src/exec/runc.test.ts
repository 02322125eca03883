import { runnerContract } from "../../testing/contracts/runner.ts";
import { runtimeSetup } from "../../testing/runtimes.ts";

runnerContract("runc", await runtimeSetup("runc"));
