/**
 * A process that builds images in a root until it has made enough, or is killed: `classic-process.ts <root> <name> <builds>`.
 * Prints the id of each image once it is kept.
 */
import { ClassicFixture, copy, env, run } from "./classic.ts";

const [root = "", name = "", builds = "0"] = process.argv.slice(2);
await using fixture = await ClassicFixture.open(root);
for (let n = 0; n < Number(builds); n++) {
  const { image } = await fixture.build([env({ N: `${n}` }), copy("f", `${name} ${n}`), run("make", { g: `${n}` })]);
  await fixture.tag(`${name}:${n}`, image);
  console.log(image.id);
}
