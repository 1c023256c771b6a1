// npm run bench:tls: what a server with TLS stands. See README.md for the measures, and how to read them.
import "../scripts/node-version.mjs";
import process from "node:process";
import { prepare } from "../scripts/prepare.mjs";
import { installRuntimes } from "../scripts/runtime_files.mjs";
import { runMeasures } from "./lib/run.mjs";
import { reload } from "./tls/reload.mjs";
import { stalled } from "./tls/stalled.mjs";

prepare();
installRuntimes();
const status = await runMeasures(
  "npm run bench:tls",
  [reload, stalled],
  {
    seconds: { value: 3, help: "how long a run with a load takes; reload takes twice that" },
    rounds: { value: 5, help: "how often stalled repeats each run, in turns with the others" },
    reloads: { value: 100, help: "how often reload replaces the certificate" },
    stalled: { value: 5000, help: "connections that stall" },
  },
  { texts: {} },
);
process.exit(status);
