/** Further event loops that accept connections on the same port as the program's own: each is a listener, in a thread of its own. */
import { performance } from "node:perf_hooks";
import { loggable } from "../loop/log.ts";
import type { ListenAddress, TlsSettings } from "../transport/transport.ts";
import { ProcessHold } from "../program/process_hold.ts";
import { classesOf, type Handlers } from "../handler/router_interface.ts";
import { count, describeProgram, keyOf, type Program } from "../program/program_description.ts";
import { carryOut, type ServerCall, type ServerCallEnd } from "../program/server_calls.ts";
import { ThreadReplacements, type ThreadReplacementsOwner } from "../program/thread_replacements.ts";
import { type ReadyMessage, SupervisedThread } from "../program/supervised_thread.ts";

/** How long after its loss a listener is replaced. In milliseconds. */
const REPLACEMENT_DELAY = 1_000;

// States of a listener, in a word that it shares with the program's own event loop.
/** The listener has not begun to listen. */
export const STARTS = 0;
/** The listener listens, or is about to. */
export const LISTENS = 1;
/** The listener is to stop. */
export const STOPS = 2;
/** The listener does not listen any more, or never will. */
export const CLOSED = 3;

/** How long an event loop that has closed its socket waits for the others to close theirs. In milliseconds. */
const OTHERS_TIMEOUT = 100;

/** Notes that a listener has closed its socket, or has ended. @param sockets counts the event loops that listen; all share it */
export function markClosed(state: Int32Array, sockets: Int32Array): void {
  const before = Atomics.exchange(state, 0, CLOSED);
  if (before === LISTENS || before === STOPS) Atomics.sub(sockets, 0, 1);
}

/** Waits until no event loop listens any more. Gives up after 100 ms, since a handler may block a listener's event loop. */
export async function othersClosed(sockets: Int32Array): Promise<void> {
  const end = performance.now() + OTHERS_TIMEOUT;
  while (Atomics.load(sockets, 0) > 0 && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 1));
}

/** The classes that a listener can construct by itself. A user's class that extends one is constructed by the program. */
export const PLAIN_CLASSES = new WeakSet<object>();

/** @throws {RangeError} where a server cannot have several listeners */
export function checkListeners(number: number, address: ListenAddress, { transport }: { transport?: unknown }): void {
  if (!Array.isArray(address)) {
    const what = typeof address === "string" ? "a Unix socket" : "a socket that the process was started with";
    throw new RangeError(`${what} has one listener, not ${number}: only ports can be shared`);
  }
  if (transport !== undefined)
    throw new RangeError(
      `listeners need the runtime's own transport: leave out the option transport, or make listeners 1, not ${number}`,
    );
}

/** The `workerData` of a listener. */
export interface ListenerStart {
  readonly program: Program;
  /** The address that the program's own event loop listens on. */
  readonly address: readonly [host: string, port: number];
  /** How many connections the listener may have at a time. */
  readonly maxConnections: number;
  /** The present settings of TLS; null without TLS. */
  readonly tls: TlsSettings | null;
  /** How long the listener may take to find its server, in milliseconds. */
  readonly startTimeout: number;
  /** The server logs nothing. */
  readonly silent: boolean;
  /** Options for a server that the listener constructs itself; null if only the program can construct it. */
  readonly options: object | null;
  /** STARTS, LISTENS, STOPS or CLOSED. */
  readonly state: Int32Array;
  /** How many event loops listen. */
  readonly sockets: Int32Array;
}

/** A message from a listener, besides those on how its start went. */
export type FromListener =
  /** Lines for the log. */
  | { readonly log: readonly string[] }
  /** The listener closes connections at once: the reason. */
  | { readonly crowded: string }
  /** `shutdown` was called in the listener, or, if `atOnce`, `serverClose`. */
  | { readonly shutdown: true; readonly atOnce: boolean }
  | ServerCall
  /** The listener has shut down. */
  | { readonly down: true };

/** A message to a listener. */
export type ToListener =
  /** Shut down. */
  | { readonly shutdown: true }
  /** Use other settings of TLS. */
  | { readonly tls: TlsSettings }
  | ServerCallEnd;

export interface ListenerPoolOwner {
  /** The server whose listeners these are. */
  readonly server: object;
  /** Writes a line to the log as it is. */
  writeLog(line: string): void;
  logError(message: string, ...args: unknown[]): void;
  /** Whether there are file descriptors for one more thread. */
  admitsThread(): boolean;
  /** A listener closes connections at once. */
  crowded(why: string): void;
  /** The server was shut down in a listener. @param atOnce by `serverClose` and not by `shutdown` */
  shutdown(atOnce: boolean): void;
  /** The last listener has ended. */
  onGone(): void;
}

/** The part of a ListenerStart that is known when the server is constructed. */
type Start = Pick<ListenerStart, "startTimeout" | "silent" | "options">;

/** The options of a server that listeners need. */
interface Options {
  readonly startTimeout: number;
  readonly log?: unknown;
}

interface Listener {
  readonly worker: SupervisedThread<ReadyMessage, FromListener>;
  readonly state: Int32Array;
}

export class ListenerPool implements ThreadReplacementsOwner {
  readonly #program: Program;
  readonly #start: Start;
  readonly #owner: ListenerPoolOwner;
  readonly #count: number;
  readonly #listeners = new Set<Listener>();
  readonly #listening = new Int32Array(new SharedArrayBuffer(4));
  #address: readonly [host: string, port: number] = ["", 0];
  #maxConnections = 0;
  #tls: TlsSettings | null = null;
  #isClosing = false;
  #opening: { resolve: () => void; reject: (why: Error) => void } | null = null;
  readonly #replacements = new ThreadReplacements({ delay: REPLACEMENT_DELAY, rate: Infinity, burst: 1 }, this);
  #onGone: (() => void)[] = [];

  /**
   * @param number how many event loops are to listen, the program's own included
   * @param isPlain whether a listener can construct the server itself, from its options
   */
  constructor(number: number, handlers: Handlers, options: Options, isPlain: boolean, owner: ListenerPoolOwner) {
    this.#count = number - 1;
    // Servers with listeners are counted apart from threading servers with the same handlers.
    this.#program = describeProgram(handlers, count(`listeners ${keyOf(classesOf(handlers))}`));
    const { log, ...others } = options;
    this.#start = { startTimeout: options.startTimeout, silent: log === "none", options: isPlain ? others : null };
    this.#owner = owner;
  }

  /** Whether a listener is running. */
  get running(): boolean {
    return this.#listeners.size > 0;
  }

  /** Starts all listeners. If one cannot listen, ends all of them and rejects. */
  async open(
    address: readonly [host: string, port: number],
    maxConnections: number,
    tls: TlsSettings | null,
  ): Promise<void> {
    this.#address = address;
    this.#tls = tls;
    this.#maxConnections = maxConnections;
    this.#isClosing = false;
    Atomics.store(this.#listening, 0, 1); // the program's own event loop
    try {
      await new Promise<void>((resolve, reject) => {
        this.#opening = { resolve, reject };
        for (let i = 0; i < this.#count; i++) this.#add();
      });
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      this.#opening = null;
    }
  }

  /** Makes all listeners use other settings of TLS, those that start later too. */
  setTls(settings: TlsSettings): void {
    this.#tls = settings;
    for (const { worker } of this.#listeners) worker.post({ tls: settings } satisfies ToListener);
  }

  /** Lets listeners finish their requests. Those that do not listen yet are ended. */
  shutdown(): void {
    this.#stop();
    for (const { worker, state } of this.#listeners) {
      if (Atomics.compareExchange(state, 0, STARTS, CLOSED) === STARTS) worker.terminate();
      else {
        Atomics.compareExchange(state, 0, LISTENS, STOPS);
        worker.post({ shutdown: true } satisfies ToListener);
      }
    }
  }

  /** The program's own event loop has closed its socket: waits until the listeners have closed theirs. */
  socketClosed(): Promise<void> {
    Atomics.sub(this.#listening, 0, 1);
    return othersClosed(this.#listening);
  }

  /** Ends all listeners by force. */
  async close(): Promise<void> {
    this.#stop();
    if (!this.running) return;
    // A process that has nothing else to do would not wait for threads that are about to end.
    const processHold = new ProcessHold();
    processHold.set(true);
    await new Promise<void>((resolve) => {
      this.#onGone.push(resolve);
      for (const { worker } of this.#listeners) worker.terminate(); // on some runtimes, onExit is called at once
    });
    processHold.end();
  }

  #stop(): void {
    this.#isClosing = true;
    this.#opening?.resolve(); // an `open` that is under way need not wait for listeners any more
    this.#replacements.stop();
  }

  #add(): void {
    const state = new Int32Array(new SharedArrayBuffer(4));
    const workerData: ListenerStart = {
      ...this.#start,
      program: this.#program,
      address: this.#address,
      maxConnections: this.#maxConnections,
      tls: this.#tls,
      state,
      sockets: this.#listening,
    };
    const { startTimeout } = this.#start;
    const worker = new SupervisedThread<ReadyMessage, FromListener>(
      "server/listener_main",
      { workerData },
      startTimeout,
      {
        onReady: () => this.#ready(),
        onFailed: () => worker.terminate(),
        onMessage: (message) => this.#onMessage(worker, message),
        onExit: (code) => this.#ended(listener, code),
      },
    );
    const listener: Listener = { worker, state };
    this.#listeners.add(listener);
  }

  #ready(): void {
    if ([...this.#listeners].every(({ worker }) => worker.ready)) this.#opening?.resolve();
  }

  #onMessage(worker: Listener["worker"], message: FromListener): void {
    if ("log" in message) for (const line of message.log) this.#owner.writeLog(line);
    else if ("crowded" in message) this.#owner.crowded(message.crowded);
    else if ("shutdown" in message) this.#owner.shutdown(message.atOnce);
    else if ("call" in message) carryOut(this.#owner.server, message, (end) => worker.post(end satisfies ToListener));
    else worker.terminate(); // the listener has shut down
  }

  #ended(listener: Listener, code: number): void {
    this.#listeners.delete(listener);
    markClosed(listener.state, this.#listening);
    if (!this.running) {
      for (const resolve of this.#onGone.splice(0)) resolve();
      this.#owner.onGone();
    }
    if (this.#isClosing) return;
    const { ready, why } = listener.worker;
    if (this.#opening !== null)
      return this.#opening.reject(why ?? new Error(`a listener has ended while it started: exit code ${code}`));
    const what = ready ? "has ended, and its connections with it" : "could not be started";
    this.#owner.logError("a listener %s: %s", what, why ?? `exit code ${code}`);
    this.#replacements.add();
  }

  // For the replacements of listeners that were lost

  hasRoom(): boolean {
    return true;
  }

  startReplacement(): boolean {
    if (!this.#owner.admitsThread()) return false;
    try {
      this.#add();
      return true;
    } catch (error) {
      // The system cannot start a thread.
      this.#owner.logError("a listener could not be started: %s", loggable(error));
      return false;
    }
  }

  replacementsWait(): void {}
}
