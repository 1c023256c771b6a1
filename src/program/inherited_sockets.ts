/** The listening sockets that a service manager has bound, and started this process with. */
import process from "node:process";
import { quote } from "../quote_value.ts";
import { type NamedSocket, threadContext } from "./thread_context.ts";

/** The first file descriptor that is handed over: SD_LISTEN_FDS_START. */
const FIRST = 3;

const VARIABLES = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"] as const;

/**
 * The sockets that systemd has bound for this process, in the order of its `.socket` units; none where it was started in another way.
 * They outlive the process: while one ends and the next one starts, connections wait in them. The variables of the environment that
 * tell of them are removed, so that no child of this process takes the sockets for its own: keep what the first call returns. Where a
 * thread imports the program once more, it gets what the program got.
 * @throws {Error} where LISTEN_FDS is for this process, and is no number
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
  // A process that was started by the one that they were for has the variables, and not the sockets.
  if (count === undefined || pid !== String(process.pid)) return [];
  if (!/^[0-9]{1,5}$/.test(count))
    throw new Error(`cannot take over sockets: LISTEN_FDS is to be their number, and is ${quote(count)}`);
  const named = names === undefined ? [] : names.split(":");
  takenSockets = Array.from({ length: Number(count) }, (_, i) => ({ fd: FIRST + i, name: named[i] ?? "unknown" }));
  return [...takenSockets];
}

/** What the first call has returned. */
export let takenSockets: readonly NamedSocket[] = [];

/** Deno would ask the user, if there is one, before it lets a program read its environment; nobody is to be asked for this. */
function mayReadEnvironment(): boolean {
  const { Deno } = globalThis as { Deno?: { permissions: { querySync(wanted: object): { state: string } } } };
  return VARIABLES.every(
    (variable) => Deno === undefined || Deno.permissions.querySync({ name: "env", variable }).state === "granted",
  );
}
