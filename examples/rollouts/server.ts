/**
 * The actors alone, for a machine of their own; the learner is told of it with --actor.
 *
 *   node scripts/run.mjs dist/examples/rollouts/server.js 0.0.0.0 8000          (and how many threads, where not one for each core)
 */
import { availableParallelism } from "node:os";
import process from "node:process";
import { ThreadingHTTPServer } from "plinth";
import { RolloutHandler } from "./handler.ts";

const [host = "127.0.0.1", port = "8000", threads = availableParallelism()] = process.argv.slice(2);
const httpd = new ThreadingHTTPServer([host, Number(port)], RolloutHandler, { threads: Number(threads) });
await httpd.serverActivate();
console.log(`The actors are at http://${httpd.serverAddress.join(":")}/`);
await httpd.serveForever();
