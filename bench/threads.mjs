// npm run bench:threads: what threads bring and what they cost. See README.md for the measures, and how to read them.
import "../scripts/node-version.mjs";
import process from "node:process";
import { install, prepare } from "../scripts/prepare.mjs";
import { installRuntimes } from "../scripts/runtime_files.mjs";
import { runMeasures } from "./lib/run.mjs";
import { baseline } from "./threads/baseline.mjs";
import { body } from "./threads/body.mjs";
import { endings } from "./threads/endings.mjs";
import { latency, slow } from "./threads/latency.mjs";
import { overhead } from "./threads/overhead.mjs";
import { ratio } from "./threads/ratio.mjs";
import { scaling } from "./threads/scaling.mjs";

prepare();
install("bench");
installRuntimes();
const status = await runMeasures(
  "npm run bench:threads",
  [latency, slow, scaling, overhead, ratio, body, endings, baseline],
  {
    seconds: { value: 3, help: "how long a run with a load takes; those that need less take half" },
    rounds: { value: 5, help: "how often each run is repeated, in turns with the others" },
    size: { value: 1024, help: "MiB of content that body sends" },
    endings: { value: 1000, help: "threads that endings ends" },
  },
);
process.exit(status);
