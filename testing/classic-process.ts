/**
 * A process that builds images in a root until it has made enough, or is killed: `classic-process.ts <root> <name> <builds>`.
 * Prints the id of each image once it is kept.
 */
import { ClassicHouse, copy, env, run } from "./classic.ts";

const [root = "", name = "", builds = "0"] = process.argv.slice(2);
await using house = await ClassicHouse.open(root);
for (let n = 0; n < Number(builds); n++) {
  const { image } = await house.build([env({ N: `${n}` }), copy("f", `${name} ${n}`), run("make", { g: `${n}` })]);
  await house.tag(`${name}:${n}`, image);
  console.log(image.id);
}
