/** Accepts on several threads: beside the program's own event loop, others that listen on the same port, each in a thread. */
import { performance } from "node:perf_hooks";
import { loggable } from "../loop/log.ts";
import { ProcessHold } from "../program/process_hold.ts";
import { classesOf, type Handlers } from "../handler/router_interface.ts";
import { count, describeProgram, keyOf, type Program } from "../program/program_description.ts";
import { WorkerReplacements, type WorkerReplacementsOwner } from "../program/worker_replacements.ts";
import { type ReadyMessage, SupervisedWorker } from "../program/supervised_worker.ts";

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

/** From a listener, besides whether it listens. */
export type FromListener =
  /** Lines for the log. */
  | { readonly log: readonly string[] }
  /** It closes connections at once from now on, and why. */
  | { readonly crowded: string }
  /** The server was asked to shut down there. */
  | { readonly shutdown: true; readonly atOnce: boolean }
  /** It has shut down. */
  | { readonly down: true };

/** To a listener: finish what you do. */
export interface ToListener {
  readonly shutdown: true;
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
  readonly worker: SupervisedWorker<ReadyMessage, FromListener>;
  readonly state: Int32Array;
}

export class ListenerPool implements WorkerReplacementsOwner {
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
  readonly #replacements = new WorkerReplacements({ delay: REPLACEMENT_DELAY, rate: Infinity, burst: 1 }, this);
  #gone: (() => void)[] = [];

  /** @param number how many listen, the program's own event loop among them */
  constructor(number: number, handlers: Handlers, start: Start, owner: ListenerPoolOwner) {
    this.#count = number - 1;
    // Counted apart from threading servers with such handlers.
    this.#program = describeProgram(handlers, count(`listeners ${keyOf(classesOf(handlers))}`));
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
      if (Atomics.compareExchange(state, 0, STARTS, CLOSED) === STARTS) worker.terminate();
      else {
        Atomics.compareExchange(state, 0, LISTENS, STOPS);
        worker.post({ shutdown: true } satisfies ToListener);
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
    const processHold = new ProcessHold();
    processHold.set(true);
    await new Promise<void>((resolve) => {
      this.#gone.push(resolve);
      for (const { worker } of this.#listeners) worker.terminate(); // some end at once, and say so
    });
    processHold.end();
  }

  #stop(): void {
    this.#closing = true;
    this.#opening?.resolve(); // nobody waits for connections any more
    this.#replacements.stop();
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
    const { startTimeout } = this.#start;
    const worker = new SupervisedWorker<ReadyMessage, FromListener>(
      "server/listener_main",
      { workerData },
      startTimeout,
      {
        onReady: () => this.#ready(),
        onFailed: () => worker.terminate(),
        onMessage: (message) => this.#hear(worker, message),
        onExit: (code) => this.#ended(listener, code),
      },
    );
    const listener: Listener = { worker, state };
    this.#listeners.add(listener);
  }

  #ready(): void {
    if ([...this.#listeners].every(({ worker }) => worker.ready)) this.#opening?.resolve();
  }

  #hear(worker: Listener["worker"], message: FromListener): void {
    if ("log" in message) for (const line of message.log) this.#owner.writeLog(line);
    else if ("crowded" in message) this.#owner.crowded(message.crowded);
    else if ("shutdown" in message) this.#owner.shutdown(message.atOnce);
    else worker.terminate(); // it has shut down
  }

  #ended(listener: Listener, code: number): void {
    this.#listeners.delete(listener);
    markClosed(listener.state, this.#sockets);
    if (!this.running) {
      for (const resolve of this.#gone.splice(0)) resolve();
      this.#owner.onGone();
    }
    if (this.#closing) return;
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
      // The system has no thread to give.
      this.#owner.logError("a listener could not be started: %s", loggable(error));
      return false;
    }
  }

  replacementsWait(): void {}
}
