/** The program of a thread that accepts connections: finds its server, as program_description.ts says, and lets it listen beside the others. */
import { parentPort, workerData } from "node:worker_threads";
import { ServerFinder, notFound, sendable } from "../program/server_finder.ts";
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
import { enterThread, type ListeningServer } from "../program/thread_context.ts";
import { isApart, keyOf } from "../program/program_description.ts";
import { guardSpawning } from "../program/spawn_guard.ts";
import { type Envelope, type FailedMessage, openEnvelope, type ReadyMessage } from "../program/supervised_worker.ts";

const { program, address, maxConnections, startTimeout, silent, options, state, sockets } = workerData as ListenerStart;
const port = parentPort!;
const finder = new ServerFinder<ListeningServer>();

function tell(message: FromListener | ReadyMessage | FailedMessage): void {
  port.postMessage({ plinth: message } satisfies Envelope<object>);
}

/** Lines of the log that were not handed over yet: those of a turn go together. */
let lines: string[] = [];

function handOver(): void {
  if (lines.length > 0) tell({ log: lines });
  lines = [];
}

enterThread({
  role: "listener",
  sockets: program.sockets,
  isHandling: false, // as far as can be told
  get isStopping() {
    const now = Atomics.load(state, 0);
    return now === STOPS || now === CLOSED;
  },
  log: silent
    ? "none"
    : (line) => {
        if (lines.push(line) === 1) setImmediate(handOver);
      },
  constructed: (one) => finder.constructed(keyOf(classesOf(one.handlers)), one),
  park: () => finder.park(),
  socketClosed() {
    markClosed(state, sockets);
    return othersClosed(sockets);
  },
  crowded: (why) => tell({ crowded: why }),
  shutdown: (atOnce) => tell({ shutdown: true, atOnce }),
});

try {
  await registerTsx();
  let listens = false;
  guardSpawning(program.main, () => listens); // from then on, handlers run
  const one = await find();
  port.on("message", (sent: unknown) => {
    if (openEnvelope<ToListener>(sent)) void one.server.shutdown(); // it is told nothing else
  });
  // Behind this, the thread is no longer ended while it starts: connections may wait for it.
  if (Atomics.compareExchange(state, 0, STARTS, LISTENS) === STARTS) {
    Atomics.add(sockets, 0, 1);
    await one.listen(address, maxConnections);
    listens = true;
    tell({ ready: true });
    await one.stopped;
  }
  handOver();
  tell({ down: true });
} catch (error) {
  tell({ failed: sendable(error) });
}

/** Finds the server. Rejects with what to write where it cannot be found. */
async function find(): Promise<ListeningServer> {
  const key = keyOf(program.classes);
  if (options !== null && isApart(program)) {
    const [place] = program.classes;
    const Handler = await load(place.module!, place);
    const { HTTPServer } = await import("./server.ts");
    void new HTTPServer([...address], Handler, options);
    return finder.find(key, 0)!;
  }
  await finder.importProgram(program, startTimeout, () => finder.find(key, program.nth) !== undefined);
  const found = finder.find(key, program.nth);
  if (found === undefined) throw notFound(program);
  return found;
}
