// Closed loop, as fast as it goes: wrk with one thread.
import { fileURLToPath } from "node:url";
import { opensslSettings } from "./certificate.mjs";
import { compiled, whyNotCompiled } from "./compiled.mjs";
import { Child } from "./processes.mjs";
import { cpuBetween, cpuNow } from "./usage.mjs";

const script = fileURLToPath(new URL("../load/wrk.lua", import.meta.url));
const forgetful = fileURLToPath(new URL("../load/full_handshakes.c", import.meta.url));

/** Of its core: a load that takes more may be what a figure shows, and not the server. */
export const FULL = 0.95;

/**
 * Runs wrk against a server, and looks at what the server's process takes meanwhile.
 * @param {{ pid: number, port: number, ca?: string }} server `ca`: it speaks TLS, and wrk with it
 * @param {{ method?: string, path?: string, body?: string, file?: string, connections: number, seconds: number,
 *   cores?: readonly number[], lenient?: boolean, ends?: boolean }} what `file`: of ready-made requests (requests_file.mjs), in place of method, path and
 * body; `seconds`: a whole number; `lenient`: failed connections are counted, and are no error;
 * `ends`: the server ends each connection, and one that does not announce that is what wrk calls a failed read: those are no error. Over TLS, each
 * connection then has a whole handshake
 * @returns requests a second, seconds on a core for one (all threads), the latencies that wrk saw, in milliseconds, the mean length of an
 * response in bytes, and `loadBusy`: how much of a core wrk itself took
 * @throws {Error} when a response was not 200, a connection failed, or a handshake was not a whole one
 */
export async function wrk(
  server,
  { method = "GET", path = "/", body = "", file, connections, seconds, cores, lenient = false, ends = false },
) {
  const isTls = server.ca !== undefined;
  const url = `${isTls ? "https" : "http"}://127.0.0.1:${server.port}${path}`;
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
  const env = isTls ? tlsEnv(ends) : {};
  const child = new Child("wrk", args, { env, cores });
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
  if (isTls && ends) checkHandshakes(child.errors);
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

/** What wrk is told of TLS. By itself it would resume the session of the connection before. */
function tlsEnv(ends) {
  const settings = { OPENSSL_CONF: opensslSettings() };
  if (!ends) return settings;
  const library = compiled("gcc", ["-O2", "-shared", "-fPIC", "-o"], forgetful);
  if (library === undefined) throw new Error(whyNotCompiled("gcc", "gcc libc6-dev", forgetful));
  return { ...settings, LD_PRELOAD: library };
}

function checkHandshakes(errors) {
  const [, connections, resumed] = /^connections (\d+), resumed (\d+)$/m.exec(errors) ?? [];
  if (connections === undefined) throw new Error(`wrk does not say whether it has resumed sessions: ${errors}`);
  if (resumed !== "0") throw new Error(`wrk has resumed ${resumed} sessions, of ${connections} connections`);
}
