/** The listening sockets that a service manager has bound and passed to this process. */
import process from "node:process";
import { quote } from "../quote_value.ts";
import { type NamedSocket, threadContext } from "./thread_context.ts";

/** The first file descriptor that is passed: SD_LISTEN_FDS_START. */
const FIRST = 3;

const VARIABLES = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"] as const;

/**
 * The sockets that systemd has bound for this process, in the order of its `.socket` units; none if the process was started in another
 * way. The sockets outlive the process: while one process ends and the next one starts, connections wait in them.
 *
 * The first call removes the environment variables that describe the sockets, so that no child process takes the sockets for its own. Keep
 * what it returns. A thread that imports the program again gets the same sockets as the program.
 * @throws {Error} if LISTEN_FDS is meant for this process, and is not a number
 * @example
 * const [socket] = inheritedSockets();
 * const httpd = new HTTPServer(socket ?? ["127.0.0.1", 8000], RequestHandler);
 *
 * @source sd_listen_fds_with_names(3)
 */
export function inheritedSockets(): NamedSocket[] {
  if (threadContext.sockets !== null) return [...threadContext.sockets];
  if (!mayReadEnvironment()) return [];
  const [pid, count, names] = VARIABLES.map((name) => process.env[name]);
  for (const name of VARIABLES) delete process.env[name];
  // A child of the process that the sockets were for has inherited the variables, but not the sockets.
  if (count === undefined || pid !== String(process.pid)) return [];
  if (!/^[0-9]{1,5}$/.test(count))
    throw new Error(`cannot take over sockets: LISTEN_FDS must be the number of sockets, not ${quote(count)}`);
  const named = names === undefined ? [] : names.split(":");
  takenSockets = Array.from({ length: Number(count) }, (_, i) => ({ fd: FIRST + i, name: named[i] ?? "unknown" }));
  return [...takenSockets];
}

/** The sockets that the first call has returned. */
export let takenSockets: readonly NamedSocket[] = [];

/** Whether the environment can be read without a prompt: Deno may ask the user for a permission first, which this is not worth. */
function mayReadEnvironment(): boolean {
  const { Deno } = globalThis as { Deno?: { permissions: { querySync(wanted: object): { state: string } } } };
  return VARIABLES.every(
    (variable) => Deno === undefined || Deno.permissions.querySync({ name: "env", variable }).state === "granted",
  );
}
