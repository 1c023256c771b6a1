/** Handlers that say what AsyncLocalStorage shows them, and change that in every way there is. */
import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import { setImmediate as nextTurn } from "node:timers/promises";
import { BaseHTTPRequestHandler, type HandlerContext } from "plinth";

export const storage = new AsyncLocalStorage<string>();

/** What AsyncLocalStorage shows here; null where that is nothing. */
export function store(): string | null {
  return storage.getStore() ?? null;
}

/** What a handler has seen, in its response. */
export interface Seen {
  /** When it was made. */
  readonly first: string | null;
  /** When its method was called. */
  readonly began: string | null;
  /** When it responds. */
  readonly last: string | null;
}

/** The method's name is the path, and what it enters is in the query: `/timer?alice`. */
export class Entering extends BaseHTTPRequestHandler {
  static module = import.meta.url;
  readonly first: string | null;
  began: string | null = null;

  constructor(context: HandlerContext) {
    super(context);
    this.first = store();
  }

  get client(): string {
    return this.path.slice(this.path.indexOf("?") + 1);
  }

  do_GET(): void | Promise<void> {
    this.began = store();
    const method = (this as unknown as Record<string, unknown>)[this.pathname.slice(1)];
    return (method as () => void | Promise<void>).call(this);
  }

  do_POST(): void | Promise<void> {
    return this.do_GET();
  }

  respond(): void {
    const { first, began } = this;
    this.sendJson({ first, began, last: store() } satisfies Seen);
  }

  nothing(): void {
    this.respond();
  }

  entersAtOnce(): void {
    storage.enterWith(this.client);
    this.respond();
  }

  async entersBeforeAnAwait(): Promise<void> {
    storage.enterWith(this.client);
    await nextTurn();
    this.respond();
  }

  async entersBehindAnAwait(): Promise<void> {
    await nextTurn();
    storage.enterWith(this.client);
    await Promise.resolve();
    this.respond();
  }

  runs(): void {
    storage.run(this.client, () => this.respond());
  }

  runsAcrossAnAwait(): Promise<void> {
    return storage.run(this.client, async () => {
      await nextTurn();
      this.respond();
    });
  }

  /** What it plans goes on behind its response, and enters then. */
  entersInTimers(): Promise<void> {
    return new Promise((resolve) => {
      const task = (): void => storage.enterWith(this.client);
      setTimeout(() => {
        task();
        this.respond();
        resolve();
        for (const plan of [queueMicrotask, process.nextTick, setImmediate, setTimeout]) plan(task);
      });
    });
  }

  async entersBehindContent(): Promise<void> {
    await this.text();
    storage.enterWith(this.client);
    this.respond();
  }

  /** More than a connection takes at once: what follows on the connection follows when there is room. */
  async entersAndWritesMuch(): Promise<void> {
    storage.enterWith(this.client);
    this.sendResponse(200);
    this.endHeaders();
    for (let i = 0; i < 20; i++) await this.wfile.write("x".repeat(64 * 1024));
    this.wfile.write("\n" + JSON.stringify({ first: this.first, began: this.began, last: store() }));
  }

  entersAndFails(): void {
    storage.enterWith(this.client);
    throw new Error("on purpose");
  }

  async entersAndFailsLater(): Promise<void> {
    await nextTurn();
    storage.enterWith(this.client);
    throw new Error("on purpose");
  }

  override sendError(): void {
    this.respond();
  }
}

/** Whose `setup` and `finish` enter. */
export class EnteringAround extends Entering {
  static override module = import.meta.url;

  override setup(): void | Promise<void> {
    if (this.pathname !== "/inSetup") return;
    storage.enterWith(this.client);
  }

  override async finish(): Promise<void> {
    if (this.pathname !== "/inFinish") return;
    storage.enterWith(this.client);
    await nextTurn();
    storage.enterWith(this.client);
  }

  inSetup(): void {
    this.respond();
  }

  inFinish(): void {
    this.respond();
  }
}

/** With limits of its own for content. */
export class Limited extends Entering {
  static override module = import.meta.url;
  static maxBodySize = 100_000;
  static bufferedBody = 100_000;
}

/** The ways to enter a store that handlers have, and whether their response sees it. */
export const WAYS = [
  "nothing",
  "entersAtOnce",
  "entersBeforeAnAwait",
  "entersBehindAnAwait",
  "runs",
  "runsAcrossAnAwait",
  "entersInTimers",
  "entersBehindContent",
  "entersAndWritesMuch",
  "entersAndFails",
  "entersAndFailsLater",
];

/** And those that the class with `setup` and `finish` has beside them. */
export const WAYS_AROUND = ["inSetup", "inFinish"];

/** Ways whose response sees nothing of what is entered. */
export const UNSEEN = ["nothing", "inFinish"];

/** Ways whose response may see it or not: what is called behind an await sees what was entered before the await. */
export const MAYBE_SEEN = ["entersAndFails", "entersAndFailsLater"];
