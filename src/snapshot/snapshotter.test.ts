import { testSnapshotter } from "../../testing/contracts/snapshotter.ts";
import { temporarySnapshotter } from "../../testing/snapshotter.ts";

testSnapshotter("overlay", (t) => temporarySnapshotter(t, "overlay"));
testSnapshotter("overlay-user", (t) => temporarySnapshotter(t, "overlay-user"));
testSnapshotter("copy", (t) => temporarySnapshotter(t, "copy"));
