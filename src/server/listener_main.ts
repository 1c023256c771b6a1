/** The program of a thread that accepts connections: finds its server, as program_description.ts says, and lets it listen beside the others. */
import { parentPort, workerData } from "node:worker_threads";
import { ServerFinder, notFound } from "../program/server_finder.ts";
import {
  markClosed,
  CLOSED,
  type FromListener,
  LISTENS,
  type ListenerStart,
  othersClosed,
  STARTS,
  STOPS,
  type ToListener,
} from "./listener_pool.ts";
import { classesOf } from "../handler/router_interface.ts";
import { load, registerTsx } from "../program/class_loader.ts";
import { enterThread, type ListenerThread, type ListeningServer } from "../program/thread_context.ts";
import type { Server } from "../handler/server_interface.ts";
import { ServerCalls } from "../program/server_calls.ts";
import { isApart, keyOf } from "../program/program_description.ts";
import { guardSpawning } from "../program/spawn_guard.ts";
import {
  type Envelope,
  type FailedMessage,
  openEnvelope,
  type ReadyMessage,
  sendable,
} from "../program/supervised_thread.ts";

const { program, address, maxConnections, tls, startTimeout, silent, options, state, sockets } =
  workerData as ListenerStart;
const port = parentPort!;
const finder = new ServerFinder<ListeningServer>();

function send(message: FromListener | ReadyMessage | FailedMessage): void {
  port.postMessage({ plinth: message } satisfies Envelope<object>);
}

/** Lines of the log that were not sent yet: the lines of a turn are sent together. */
let lines: string[] = [];

function sendLines(): void {
  if (lines.length > 0) send({ log: lines });
  lines = [];
}

const thread: ListenerThread & { server: Server | null; calls: ServerCalls } = {
  role: "listener",
  server: null,
  calls: new ServerCalls(send),
  sockets: program.sockets,
  isHandling: false, // a listener does not know whether a handler runs
  get isStopping() {
    const now = Atomics.load(state, 0);
    return now === STOPS || now === CLOSED;
  },
  log: silent
    ? "none"
    : (line) => {
        if (lines.push(line) === 1) setImmediate(sendLines);
      },
  constructed: (one) => finder.constructed(keyOf(classesOf(one.handlers)), one),
  park: () => finder.park(),
  socketClosed() {
    markClosed(state, sockets);
    return othersClosed(sockets);
  },
  crowded: (why) => send({ crowded: why }),
  shutdown: (atOnce) => send({ shutdown: true, atOnce }),
};
enterThread(thread);

try {
  await registerTsx();
  let isListening = false;
  guardSpawning(program.main, () => isListening); // from then on, handlers run
  const one = await find();
  thread.server = one.server;
  let present = tls;
  port.on("message", (sent: unknown) => {
    const message = openEnvelope<ToListener>(sent);
    if (message === undefined) return;
    if ("tls" in message) one.setTls((present = message.tls));
    else if ("called" in message) thread.calls.ended(message);
    else void one.server.shutdown();
  });
  // From here on, a shutdown lets this thread finish and does not end it by force: connections may wait for it.
  if (Atomics.compareExchange(state, 0, STARTS, LISTENS) === STARTS) {
    Atomics.add(sockets, 0, 1);
    await one.listen(address, maxConnections, present);
    isListening = true;
    send({ ready: true });
    await one.stopped;
  }
  sendLines();
  send({ down: true });
} catch (error) {
  send({ failed: sendable(error) });
}

/** Finds the server. Rejects with an error to be logged if it cannot be found. */
async function find(): Promise<ListeningServer> {
  const key = keyOf(program.classes);
  if (options !== null && isApart(program)) {
    const [place] = program.classes;
    const Handler = await load(place.module!, place);
    const { HTTPServer } = await import("./server.ts");
    const Server = tls === null ? HTTPServer : (await import("./https_server.ts")).HTTPSServer;
    void new Server([...address], Handler, options);
    return finder.find(key, 0)!;
  }
  await finder.importProgram(program, startTimeout, () => finder.find(key, program.nth) !== undefined);
  const found = finder.find(key, program.nth);
  if (found === undefined) throw notFound(program);
  return found;
}
