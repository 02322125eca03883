import { forwardCommand } from "./forward/client.ts";

const code = await forwardCommand(process.argv.slice(2));
if (code === undefined) await import("./main.ts");
// Standard input may still be open.
else process.exit(code);
