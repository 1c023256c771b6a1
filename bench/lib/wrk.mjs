// Closed loop, as fast as it goes: wrk with one thread.
import { fileURLToPath } from "node:url";
import { Child } from "./processes.mjs";
import { cpuBetween, cpuNow } from "./usage.mjs";

const script = fileURLToPath(new URL("../load/wrk.lua", import.meta.url));

/**
 * Runs wrk against a server, and looks at what the server's process takes meanwhile.
 * @param {{ pid: number, port: number }} server
 * @param {{ method?: string, path?: string, body?: string, connections: number, seconds: number, cores?: readonly number[],
 *   lenient?: boolean }} what `seconds`: a whole number; `lenient`: failed connections are counted, and are no error
 * @returns requests a second, seconds on a core for one (all threads), and the latencies that wrk saw, in milliseconds
 * @throws {Error} when an answer was not 200, or a connection failed
 */
export async function wrk(
  server,
  { method = "GET", path = "/", body = "", connections, seconds, cores, lenient = false },
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
    method,
    body,
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
  const broken = connect + read + write + timeout;
  if (requests === 0 || status > 0 || (broken > 0 && !lenient)) {
    throw new Error(
      `${server.name}: of ${requests} requests ${status} were not answered 200, and ${broken} connections failed (connect ${connect}, read ${read}, write ${write}, timeout ${timeout})`,
    );
  }
  return { perSecond: requests / result.seconds, cpu: cpuBetween(before, after) / requests, p50, p99, broken };
}
