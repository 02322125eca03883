import { testSnapshotter } from "../../testing/contracts/snapshotter.ts";
import { temporarySnapshotter } from "../../testing/snapshotter.ts";

testSnapshotter("overlay", (t) => temporarySnapshotter(t, "overlay"));
testSnapshotter("copy", (t) => temporarySnapshotter(t, "copy"));
