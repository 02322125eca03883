import assert from "node:assert/strict";
import { GenericContainer } from "testcontainers";

// Builds the folder of the first argument under the name of the second. DOCKER_HOST says where. What would remove images
// afterwards is a container, hence switched off.
process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";
const [folder, name] = process.argv.slice(2);
assert.ok(folder !== undefined && name !== undefined);
await GenericContainer.fromDockerfile(folder).withBuildArgs({ WHO: "tc" }).build(name, { deleteOnExit: false });
