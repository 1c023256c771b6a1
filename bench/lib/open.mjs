// Open loop: see load/open.mjs, which runs as a process of its own.
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Child } from "./processes.mjs";
import { ADDITION } from "./servers.mjs";

const file = fileURLToPath(new URL("../load/open.mjs", import.meta.url));

/**
 * Connects to a server, to ask it for sums at a rate (requests a second).
 * @param {{ port: number, ca?: string }} server `ca`: it speaks TLS, and has this certificate
 * @param {{ rate: number, seconds?: number, connections: number, patience?: number }} what `seconds`: for how long; left out: until
 * `stop`. `patience`: how long responses are waited for behind the last request, in seconds
 */
export async function openLoop({ port, ca }, { rate, seconds = 0, connections, patience = 15 }) {
  const { path, body, expect } = ADDITION;
  const orders = { port, ca, rate, seconds, connections, patience, path, body, expect };
  const child = new Child(process.execPath, [file, JSON.stringify(orders)]);
  await child.line();
  return {
    /** @returns when the last request has left */
    async run() {
      child.say("go");
      await child.line();
    },
    stop() {
      child.say("stop");
    },
    /** @returns once `run` is over and the responses are there: how many were sent and failed, latency and lag in milliseconds */
    async result() {
      const result = JSON.parse(await child.line());
      await child.exited;
      return result;
    },
  };
}
