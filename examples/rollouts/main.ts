/**
 * A learner and its actors, which meet over HTTP: the actors play cart-pole in the threads of a server, the learner asks them to, and
 * makes a better policy of the returns, until the pole stands.
 *
 *   npm run rollouts
 *   npm run rollouts -- --threads 1 --seed 7 --out curve.svg
 *   npm run rollouts -- --actor http://192.168.1.42:8000 --threads 8          (server.ts is what runs there)
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { ThreadingHTTPServer } from "plinth";
import { Actors } from "./actors.ts";
import { MOST_STEPS, STEP } from "./cartpole.ts";
import { RolloutHandler } from "./handler.ts";
import { type Generation, learn } from "./learner.ts";
import { fail, readOptions } from "./options.ts";
import { plot } from "./plot.ts";
import { chart, Progress } from "./terminal.ts";

const { threads, seed, port, actors, out, seconds, generations } = readOptions();

// Without actors elsewhere, here they are: threads of a server in this very process.
const httpd = new ThreadingHTTPServer(["127.0.0.1", port], RolloutHandler, { threads });
if (actors.length === 0) await httpd.serverActivate().catch((error: Error) => fail(error.message));
const origins = actors.length > 0 ? actors : [`http://${httpd.serverAddress.join(":")}`];
console.log(
  `Learning to balance a pole: ${count(threads, "thread")} at ${origins.join(" and ")} play, seed ${seed}. Ctrl-C stops.`,
);

// When it aborts, the learner leaves: the actors see it, and play no further.
const stop = new AbortController();
process.on("SIGINT", () => stop.abort());
const timer = setTimeout(() => stop.abort(), seconds * 1000);

const { playAll } = new Actors(origins, threads + 1, stop.signal);
const progress = new Progress(process.stdout);
const curve: Generation[] = [];
try {
  for await (const generation of learn(playAll, { seed })) {
    curve.push(generation);
    progress.show(generation);
    if (curve.length === generations) break;
  }
} catch (error) {
  if (!stop.signal.aborted) fail(describe(error));
}
progress.end();
clearTimeout(timer);
await httpd.shutdown();

const last = curve.at(-1) ?? fail("there was no time to learn anything");
const took = `${last.seconds.toFixed(1)} s`;
const result = last.solved ? `Solved after ${took}` : `Not solved in ${took}, return ${last.mean.toFixed(1)}`;
const effort = `${count(curve.length, "generation")}, ${whole(last.episodes)} episodes (${whole(last.episodes / last.seconds)} a second)`;
const solved = `in each of 100 episodes the pole stood for all ${MOST_STEPS} steps (${MOST_STEPS * STEP} s)`;

console.log(`\n${chart(curve)}\n`);
console.log(`${result}${last.solved ? `: ${solved}` : ` of ${MOST_STEPS}`}.`);
console.log(`${effort}, ${whole(last.steps / last.seconds)} steps a second.`);
try {
  writeFileSync(out, plot(curve, `${result}: ${effort}; ${count(threads, "thread")}, seed ${seed}`));
} catch (error) {
  fail(describe(error));
}
console.log(`The plot is ${path.resolve(out)}`);

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function whole(number: number): string {
  return Math.round(number).toLocaleString("en");
}

/** What went wrong, and what led to it. */
function describe(error: unknown): string {
  return error instanceof Error
    ? error.message + (error.cause === undefined ? "" : `: ${describe(error.cause)}`)
    : String(error);
}
