/** A thread that says what time it is. */
import { parentPort } from "node:worker_threads";
import { now } from "../../../src/threads/shared/pool_memory.ts";

parentPort!.postMessage(now());
