import { runnerContract } from "../../testing/contracts/runner.ts";
import { runtimeSetup } from "../../testing/runtimes.ts";

runnerContract("crun", await runtimeSetup("crun"));
