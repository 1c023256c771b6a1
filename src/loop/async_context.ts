/**
 * The asynchronous context in which requests begin: what `AsyncLocalStorage` shows a handler before it has entered anything itself.
 *
 * A request runs in whatever callback happens to start it: its connection's, or another request's that has just settled. What one
 * handler has entered with `enterWith` would be seen by the next. So each request is started in the context of its server's start.
 */
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";

/** One context, in which functions can be called any number of times. */
export interface Context {
  /** What the task enters with `enterWith` ends with the call, and with what the task has begun. */
  run<Argument, Result>(task: (argument: Argument) => Result, argument: Argument): Result;
}

/** Where a context is an object that `enterWith` replaces (Node 24 and newer, Bun, Deno): the same one serves all calls. */
class SharedResource implements Context {
  readonly #resource = new AsyncResource("plinth");

  run<Argument, Result>(task: (argument: Argument) => Result, argument: Argument): Result {
    return this.#resource.runInAsyncScope(task, undefined, argument);
  }
}

/** How many resources are made at a time. */
const SPARES = 16;

/**
 * Where `enterWith` writes into the resource that runs (Node 20 and 22): each call has a resource of its own, which has copied what
 * the context holds. They are made some at a time, because the context must be entered for that.
 */
class FreshResources implements Context {
  readonly #resource = new AsyncResource("plinth");
  readonly #spares: AsyncResource[] = [];
  readonly #makeSpares = (): void => {
    for (let i = 0; i < SPARES; i++) this.#spares.push(new AsyncResource("plinth"));
  };

  run<Argument, Result>(task: (argument: Argument) => Result, argument: Argument): Result {
    let spare = this.#spares.pop();
    if (spare === undefined) {
      this.#resource.runInAsyncScope(this.#makeSpares);
      spare = this.#spares.pop()!;
    }
    return spare.runInAsyncScope(task, undefined, argument);
  }
}

/** The part of Deno's core that its own AsyncLocalStorage is made of. It is not documented. */
interface Core {
  getAsyncContext?: () => unknown;
  setAsyncContext?: (context: unknown) => void;
}

const { Deno } = globalThis as { Deno?: { readonly internal?: symbol; readonly [name: symbol]: { core?: Core } } };
const { getAsyncContext, setAsyncContext } =
  (Deno?.internal === undefined ? undefined : Deno[Deno.internal]?.core) ?? {};

/** On Deno, where `runInAsyncScope` takes about as long as a tenth of a request, and this a hundredth of that. */
class Frame implements Context {
  readonly #frame: unknown = getAsyncContext!();

  run<Argument, Result>(task: (argument: Argument) => Result, argument: Argument): Result {
    const before = getAsyncContext!();
    setAsyncContext!(this.#frame);
    try {
      return task(argument);
    } finally {
      setAsyncContext!(before);
    }
  }
}

/** Whether these two do what they are taken for. */
function hasFrames(): boolean {
  if (typeof getAsyncContext !== "function" || typeof setAsyncContext !== "function") return false;
  const storage = new AsyncLocalStorage<boolean>();
  const before = getAsyncContext();
  const inside = storage.run(true, getAsyncContext);
  setAsyncContext(inside);
  const isInside = storage.getStore() === true;
  setAsyncContext(before);
  return isInside && storage.getStore() === undefined;
}

/** An AsyncLocalStorage that hands its store from resource to resource writes it into them. To try that would slow promises down. */
const writesIntoResources = "_propagate" in AsyncLocalStorage.prototype;

/** Whether an AsyncLocalStorage that is used slows no promise down, as it does on Node 20 and 22. */
export const isStorageCheap = !writesIntoResources;

const One: new () => Context = hasFrames() ? Frame : SharedResource;
const Shared: new () => Context = One === SharedResource && writesIntoResources ? FreshResources : One;

/** The present context, for calls that belong to one request: what one of them enters, the next may see. */
export function presentContext(): Context {
  return new One();
}

/**
 * Under which symbol an AsyncResource of Node's, from 24 on, keeps the context in which it was made: an object that `enterWith`
 * replaces. It is not documented; undefined where it is not what it is taken for.
 */
const FRAME = writesIntoResources || One === Frame ? undefined : findFrame();

function findFrame(): symbol | undefined {
  const outside = new AsyncResource("plinth");
  const symbol = Object.getOwnPropertySymbols(outside).find(({ description }) => description === "context_frame");
  if (symbol === undefined) return undefined;
  const storage = new AsyncLocalStorage<boolean>();
  const frame = (): unknown => frameOf(new AsyncResource("plinth"), symbol);
  // What `run` leaves behind ends with the scope around it.
  const [before, inside, again] = outside.runInAsyncScope(() => [
    frame(),
    ...storage.run(true, () => [frame(), frame()]),
  ]);
  return before === frameOf(outside, symbol) && inside !== before && inside === again ? symbol : undefined;
}

/** How many checks have found that no AsyncLocalStorage is used; -1 once one is. For Node 20 and 22, where a used one marks each resource. */
let unused = writesIntoResources ? 0 : -1;

function checkUse(): void {
  const marks = Object.getOwnPropertySymbols(new AsyncResource("plinth"));
  unused = marks.every(({ description }) => IDS.has(description)) ? unused + 1 : -1;
}

/** What every resource has. */
const IDS = new Set<string | undefined>(["async_id_symbol", "trigger_async_id_symbol"]);

function frameOf(resource: AsyncResource, symbol: symbol): unknown {
  return (resource as unknown as Record<symbol, unknown>)[symbol];
}

/** The context of a server's start, for calls that belong to many requests, or to none. */
export class StartContext implements Context {
  #context: Context = new Shared();
  #frame = presentFrame();
  /** The event loop has called, in this very context, and nothing of a user's has run since. */
  #isPresent = false;

  /** The server starts in the present context. */
  renew(): void {
    this.#context = new Shared();
    this.#frame = presentFrame();
  }

  run<Argument, Result>(task: (argument: Argument) => Result, argument: Argument): Result {
    if (this.#isPresent) {
      this.#isPresent = false;
      return task(argument);
    }
    return this.#context.run(task, argument);
  }

  /**
   * Whether a callback of the event loop's, which comes to one handle again and again, is in this context, as far as can be told.
   * @param before what this has returned for the handle before; 0 the first time
   * @returns more than 0 where it is
   */
  presence(before: number): number {
    // Frames are objects: where the handle was made in this one, it calls in this one each time.
    if (FRAME !== undefined) return before !== 0 ? before : presentFrame() === this.#frame ? 1 : -1;
    // Handlers write into the resource that calls, which is the handle. So between two calls of one handle there is a check, and behind
    // the first that finds an AsyncLocalStorage used, each request has a resource of its own.
    if (unused === before) checkUse();
    return unused;
  }

  /**
   * The event loop has called in this context, as `presence` has told: the next run need not enter it. (To enter a context inside of
   * a callback of Node's costs about a twentieth of a request.)
   */
  called(): void {
    this.#isPresent = true;
  }

  /** The callback of the event loop ends. */
  left(): void {
    this.#isPresent = false;
  }
}

function presentFrame(): unknown {
  return FRAME === undefined ? undefined : frameOf(new AsyncResource("plinth"), FRAME);
}
