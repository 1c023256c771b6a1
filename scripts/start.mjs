// npm start: the addition server, from a fresh clone as from a built one.
import "./node-version.mjs";
import { runBuilt } from "./prepare.mjs";

await runBuilt("dist/apps/addition/main.js", process.argv.slice(2));
