/** A thread that takes more and more memory, up to 200 MB of it. */
import { parentPort } from "node:worker_threads";

let chain: object = {};
const keep: object[] = [];
for (let i = 0; i < 3_000_000; i++) {
  chain = { chain, i };
  if (i % 1000 === 0) keep.push(chain);
}
parentPort!.postMessage(keep.length > 0 ? "goes on" : "");
