// Closed loop, as fast as it goes: wrk with one thread.
import { fileURLToPath } from "node:url";
import { Child } from "./processes.mjs";
import { cpuBetween, cpuNow } from "./usage.mjs";

const script = fileURLToPath(new URL("../load/wrk.lua", import.meta.url));

/** Of its core: a load that takes more may be what a figure shows, and not the server. */
export const FULL = 0.95;

/**
 * Runs wrk against a server, and looks at what the server's process takes meanwhile.
 * @param {{ pid: number, port: number }} server
 * @param {{ method?: string, path?: string, body?: string, file?: string, connections: number, seconds: number,
 *   cores?: readonly number[], lenient?: boolean, ends?: boolean }} what `file`: of ready-made requests (requests_file.mjs), in place of method, path and
 * body; `seconds`: a whole number; `lenient`: failed connections are counted, and are no error;
 * `ends`: the server ends each connection, and one that does not announce that is what wrk calls a failed read: those are no error
 * @returns requests a second, seconds on a core for one (all threads), the latencies that wrk saw, in milliseconds, the mean length of an
 * response in bytes, and `loadBusy`: how much of a core wrk itself took
 * @throws {Error} when a response was not 200, or a connection failed
 */
export async function wrk(
  server,
  { method = "GET", path = "/", body = "", file, connections, seconds, cores, lenient = false, ends = false },
) {
  const url = `http://127.0.0.1:${server.port}${path}`;
  const args = [
    "-t1",
    `-c${connections}`,
    `-d${Math.max(1, Math.round(seconds))}`,
    "-s",
    script,
    url,
    "--",
    ...(file === undefined ? [method, body] : [`@${file}`]),
  ];
  const before = cpuNow(server.pid);
  const child = new Child("wrk", args, cores === undefined ? {} : { cores });
  let result;
  for (;;) {
    const line = await child.line();
    if (line.startsWith("{")) {
      result = JSON.parse(line);
      break;
    }
  }
  const after = cpuNow(server.pid);
  await child.exited;
  const { requests, p50, p99, status, connect, read, write, timeout } = result;
  const broken = connect + (ends ? 0 : read) + write + timeout;
  if (requests === 0 || status > 0 || (broken > 0 && !lenient)) {
    throw new Error(
      `${server.name}: of ${requests} requests ${status} did not get a 200, and ${broken} connections failed (connect ${connect}, read ${read}, write ${write}, timeout ${timeout})`,
    );
  }
  return {
    perSecond: requests / result.seconds,
    cpu: cpuBetween(before, after) / requests,
    p50,
    p99,
    broken,
    responseBytes: result.bytes / requests,
    loadBusy: result.busy / result.seconds,
  };
}
