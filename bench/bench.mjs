// npm run bench: Plinth beside its peers, on the event loop. See README.md for the workloads, the method, and how to read it.
import "../scripts/node-version.mjs";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { install, prepare, root } from "../scripts/prepare.mjs";
import { installRuntimes } from "../scripts/runtime_files.mjs";
import { readPeers, unknownPeer } from "./lib/choice.mjs";
import { UsageError } from "./lib/options.mjs";
import { chart } from "./lib/chart.mjs";
import { peers } from "./lib/peers.mjs";
import { describeCores } from "./lib/processes.mjs";
import { profileWorkload } from "./lib/profiling.mjs";
import { runMeasures } from "./lib/run.mjs";
import { add } from "./workloads/add.mjs";
import { browser } from "./workloads/browser.mjs";
import { churn } from "./workloads/churn.mjs";
import { growth } from "./workloads/growth.mjs";
import { idle } from "./workloads/idle.mjs";
import { many } from "./workloads/many.mjs";
import { micro } from "./workloads/micro.mjs";
import { pipelined } from "./workloads/pipelined.mjs";
import { listeners } from "./workloads/listeners.mjs";
import { runtimes, runtimesPipelined } from "./workloads/runtimes.mjs";
import { tls, tlsChurn } from "./workloads/tls.mjs";
import { download, tlsDownload, tlsUpload, upload } from "./workloads/transfer.mjs";
import { varied } from "./workloads/varied.mjs";

const command = "npm run bench";
const inResults = (name) => path.join(root, "bench", "results", name);
const RESULT = inResults("bench.json");
const CHART = inResults("chart.svg");
const measures = [
  add,
  runtimes,
  pipelined,
  runtimesPipelined,
  browser,
  varied,
  churn,
  upload,
  download,
  tls,
  tlsChurn,
  tlsUpload,
  tlsDownload,
  idle,
  many,
  listeners,
  growth,
  micro,
];

function check(options) {
  const named = readPeers(options.peers);
  const unknown = named === undefined ? undefined : unknownPeer(peers, named);
  if (unknown !== undefined) {
    const names = [...new Set(peers.map(({ name }) => name))].join(", ");
    throw new UsageError(
      `there is no peer "${unknown}"; there are ${names}, each also as NAME-VARIANT and with @RUNTIME`,
    );
  }
}

/** Draws what was measured. A run of all, as it is meant, is what the project shows. */
function end(result, options) {
  if (options.chart !== undefined) fs.writeFileSync(options.chart, chart(result));
  const whole = options.only.length === measures.length && options.peers === undefined && options.given.length === 0;
  if (!whole) return;
  fs.writeFileSync(RESULT, `${JSON.stringify(result, null, 2)}\n`);
  fs.writeFileSync(CHART, chart(result));
  console.log(`The figures are in ${path.relative(root, RESULT)}, and drawn in ${path.relative(root, CHART)}.`);
}

prepare();
install("bench");
installRuntimes();
const [first, ...rest] = process.argv.slice(2);
const status =
  first === "profile"
    ? await profileWorkload(`${command} -- profile`, measures, rest, check)
    : await runMeasures(
        command,
        measures,
        {
          seconds: { value: 2, help: "how long a run of add takes; other runs take half" },
          rounds: { value: 5, help: "how often each run is repeated, in turns with the others" },
        },
        {
          positional: true,
          texts: {
            peers: { value: "A,B", help: "only these: NAME, NAME-VARIANT, either with @RUNTIME", shown: true },
            chart: { value: "FILE", help: "draws the figures there, as SVG" },
          },
          forms: [`${command} -- profile WORKLOAD [--peers PEER] [--seconds N]`],
          about: { cores: describeCores() },
          check,
          end,
        },
      );
process.exit(status);
