// node scripts/run.mjs FILE [ARGUMENT…]: runs a built file (dist/…/name.js), built first if it is stale.
import "./node-version.mjs";
import { runBuilt } from "./prepare.mjs";

const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write("Which file? For example: node scripts/run.mjs dist/examples/seed.js\n");
  process.exit(1);
}
await runBuilt(file, args);
