/** Accepts on several threads: beside the program's own event loop, others that listen on the same port, each in a thread. */
import { performance } from "node:perf_hooks";
import type { Worker } from "node:worker_threads";
import { loggable, thrown } from "../loop/log.ts";
import type { Handlers } from "../handler/request_router.ts";
import { count, describeProgram, keyOf, type Program } from "../program/program.ts";
import { startThread, watchStart } from "../program/start_thread.ts";

/** One that was lost is replaced after so long. In milliseconds. */
const REPLACEMENT_DELAY = 1_000;

// What a listener does, in a word that it shares with the program's own event loop.
/** It has not begun to listen. */
export const STARTS = 0;
/** It listens, or is about to. */
export const LISTENS = 1;
/** It is to stop. */
export const STOPS = 2;
/** It does not listen any more, or never will. */
export const CLOSED = 3;

/** How long an event loop that has closed its socket waits for the others to close theirs. In milliseconds. */
const OTHERS_TIMEOUT = 100;

/** A listener has closed its socket, or has ended. @param sockets how many listen, in a word that all share */
export function markClosed(state: Int32Array, sockets: Int32Array): void {
  const before = Atomics.exchange(state, 0, CLOSED);
  if (before === LISTENS || before === STOPS) Atomics.sub(sockets, 0, 1);
}

/** Waits until nobody listens any more, but not for one whose event loop has no turn. */
export async function othersClosed(sockets: Int32Array): Promise<void> {
  const end = performance.now() + OTHERS_TIMEOUT;
  while (Atomics.load(sockets, 0) > 0 && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 1));
}

/** What a listener begins with. */
export interface ListenerStart {
  readonly program: Program;
  /** Where the others listen. */
  readonly address: readonly [host: string, port: number];
  /** How many connections it may have at a time. */
  readonly maxConnections: number;
  /** How long it may take to find its server, in milliseconds. */
  readonly startTimeout: number;
  /** Nobody would see a line of the log. */
  readonly silent: boolean;
  /** For a server that the listener constructs itself; null where only the program can. */
  readonly options: object | null;
  /** STARTS, LISTENS, STOPS or CLOSED. */
  readonly state: Int32Array;
  /** How many listen. */
  readonly sockets: Int32Array;
}

/** From a listener. */
export type FromListener =
  /** It listens. */
  | { readonly ready: true }
  /** It cannot. */
  | { readonly failed: Error }
  /** Lines for the log. */
  | { readonly log: readonly string[] }
  /** It closes connections at once from now on, and why. */
  | { readonly crowded: string }
  /** The server was asked to shut down there. */
  | { readonly shutdown: true; readonly atOnce: boolean }
  /** It has shut down. */
  | { readonly down: true };

/** Around what is said to and from a listener: the program may say things in its threads itself, which are for nobody here. */
export interface Envelope<Message> {
  readonly plinth?: Message;
}

export interface ListenerPoolOwner {
  /** Writes a line of the log that is whole already. */
  writeLog(line: string): void;
  logError(message: string, ...args: unknown[]): void;
  /** Whether there are file descriptors for one more. */
  admitsThread(): boolean;
  /** One of them closes connections at once from now on. */
  crowded(why: string): void;
  /** A handler has asked for it. */
  shutdown(atOnce: boolean): void;
  /** The last has ended. */
  onGone(): void;
}

/** What is known of it when the server is constructed. */
type Start = Pick<ListenerStart, "startTimeout" | "silent" | "options">;

interface Listener {
  readonly worker: Worker;
  readonly state: Int32Array;
  ready: boolean;
  why: Error | null;
}

export class ListenerPool {
  readonly #program: Program;
  readonly #start: Start;
  readonly #owner: ListenerPoolOwner;
  readonly #count: number;
  readonly #listeners = new Set<Listener>();
  readonly #sockets = new Int32Array(new SharedArrayBuffer(4));
  #address: readonly [host: string, port: number] = ["", 0];
  #maxConnections = 0;
  #closing = false;
  #opening: { resolve: () => void; reject: (why: Error) => void } | null = null;
  readonly #later = new Set<ReturnType<typeof setTimeout>>();
  #gone: (() => void)[] = [];

  /** @param number how many listen, the program's own event loop among them */
  constructor(number: number, handlers: Handlers, start: Start, owner: ListenerPoolOwner) {
    this.#count = number - 1;
    // Counted apart from threading servers with such handlers.
    this.#program = describeProgram(handlers, count(`listeners ${keyOf(handlers)}`));
    this.#start = start;
    this.#owner = owner;
  }

  /** Whether any of them is there still. */
  get running(): boolean {
    return this.#listeners.size > 0;
  }

  /** Starts all of them. Rejects when one cannot listen; then none does. */
  async open(address: readonly [host: string, port: number], maxConnections: number): Promise<void> {
    this.#address = address;
    this.#maxConnections = maxConnections;
    this.#closing = false;
    Atomics.store(this.#sockets, 0, 1); // the program's own
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

  /** Lets those that listen finish what they do; the others will not listen. */
  shutdown(): void {
    this.#stop();
    for (const { worker, state } of this.#listeners) {
      if (Atomics.compareExchange(state, 0, STARTS, CLOSED) === STARTS) void worker.terminate();
      else {
        Atomics.compareExchange(state, 0, LISTENS, STOPS);
        worker.postMessage({ plinth: "shutdown" } satisfies Envelope<string>);
      }
    }
  }

  /** The program's own event loop, which was asked to shut down, has closed its socket. Waits until the others have. */
  socketClosed(): Promise<void> {
    Atomics.sub(this.#sockets, 0, 1);
    return othersClosed(this.#sockets);
  }

  /** Ends all of them, whatever they do. */
  async close(): Promise<void> {
    this.#stop();
    if (!this.running) return;
    // A process that has nothing else to do would not wait for threads that are about to end.
    const hold = setInterval(() => {}, 2 ** 30);
    await new Promise<void>((resolve) => {
      this.#gone.push(resolve);
      for (const { worker } of this.#listeners) void worker.terminate(); // some end at once, and say so
    });
    clearInterval(hold);
  }

  #stop(): void {
    this.#closing = true;
    this.#opening?.resolve(); // nobody waits for connections any more
    for (const timer of this.#later) clearTimeout(timer);
    this.#later.clear();
  }

  #add(): void {
    const state = new Int32Array(new SharedArrayBuffer(4));
    const workerData: ListenerStart = {
      ...this.#start,
      program: this.#program,
      address: this.#address,
      maxConnections: this.#maxConnections,
      state,
      sockets: this.#sockets,
    };
    const worker = startThread("server/listener_main", { workerData });
    const listener: Listener = { worker, state, ready: false, why: null };
    const stopWatch = watchStart(this.#start.startTimeout, (why) => {
      listener.why ??= why;
      void worker.terminate();
    });
    this.#listeners.add(listener);
    worker.on("message", (sent: Envelope<FromListener> | null) => {
      const message = sent?.plinth;
      if (message === undefined) return;
      if ("ready" in message || "failed" in message) stopWatch();
      if ("ready" in message) this.#ready(listener);
      else if ("log" in message) for (const line of message.log) this.#owner.writeLog(line);
      else if ("crowded" in message) this.#owner.crowded(message.crowded);
      else if ("shutdown" in message) this.#owner.shutdown(message.atOnce);
      else {
        if ("failed" in message) listener.why = message.failed;
        void worker.terminate();
      }
    });
    worker.on("error", (error: unknown) => {
      listener.why ??= thrown(error);
    });
    worker.once("exit", (code) => {
      stopWatch();
      this.#ended(listener, code);
    });
  }

  #ready(listener: Listener): void {
    listener.ready = true;
    if ([...this.#listeners].every(({ ready }) => ready)) this.#opening?.resolve();
  }

  #ended(listener: Listener, code: number): void {
    this.#listeners.delete(listener);
    markClosed(listener.state, this.#sockets);
    if (!this.running) {
      for (const resolve of this.#gone.splice(0)) resolve();
      this.#owner.onGone();
    }
    if (this.#closing) return;
    const { ready, why } = listener;
    if (this.#opening !== null)
      return this.#opening.reject(why ?? new Error(`a listener has ended while it started: exit code ${code}`));
    const what = ready ? "has ended, and its connections with it" : "could not be started";
    this.#owner.logError("a listener %s: %s", what, why ?? `exit code ${code}`);
    this.#addLater();
  }

  #addLater(): void {
    const timer = setTimeout(() => {
      this.#later.delete(timer);
      if (!this.#owner.admitsThread()) return this.#addLater();
      try {
        this.#add();
      } catch (error) {
        // The system has no thread to give.
        this.#owner.logError("a listener could not be started: %s", loggable(error));
        this.#addLater();
      }
    }, REPLACEMENT_DELAY);
    this.#later.add(timer);
  }
}
