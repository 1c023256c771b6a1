/**
 * The asynchronous context in which requests begin: it holds the values that a handler's `AsyncLocalStorage` has at first.
 *
 * A request begins in the callback that happens to start it: a callback of its connection, or of another request that has just settled. A
 * value that one handler has set with `enterWith` would be visible to the next. So each request begins in the context in which its server
 * was started.
 */
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";

/** A context, in which functions can be called any number of times. */
export interface Context {
  /** Calls a task in this context. A value that the task sets with `enterWith` is visible only to the task, and to work that it begins. */
  run<Argument, Result>(task: (argument: Argument) => Result, argument: Argument): Result;
}

/** For runtimes on which a context is an object that `enterWith` replaces (Node 24 and newer, Bun, Deno). One resource serves all calls. */
class SharedResource implements Context {
  readonly #resource = new AsyncResource("plinth");

  run<Argument, Result>(task: (argument: Argument) => Result, argument: Argument): Result {
    return this.#resource.runInAsyncScope(task, undefined, argument);
  }
}

/** The number of resources that are made at a time. */
const SPARES = 16;

/**
 * For runtimes on which `enterWith` writes into the resource that runs (Node 20 and 22). Each call has a resource of its own, which has
 * copied the values of the context. Several are made at a time, because the context must be entered to make them.
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

/** The functions of Deno's core on which its AsyncLocalStorage is built. They are not documented. */
interface Core {
  getAsyncContext?: () => unknown;
  setAsyncContext?: (context: unknown) => void;
}

const { Deno } = globalThis as { Deno?: { readonly internal?: symbol; readonly [name: symbol]: { core?: Core } } };
const { getAsyncContext, setAsyncContext } =
  (Deno?.internal === undefined ? undefined : Deno[Deno.internal]?.core) ?? {};

/** For Deno. There, `runInAsyncScope` takes about a tenth of the time of a request, and this class a hundredth of that. */
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

/** Whether Deno's two functions are there, and do what this file expects of them. */
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

/**
 * Whether an AsyncLocalStorage writes its store into resources, as on Node 20 and 22. Only the name of a method is looked at, because using
 * an AsyncLocalStorage would slow promises down.
 */
const writesIntoResources = "_propagate" in AsyncLocalStorage.prototype;

/** Whether the use of an AsyncLocalStorage leaves promises as fast as they are. On Node 20 and 22 it slows them down. */
export const isStorageCheap = !writesIntoResources;

/** The context of calls that belong to one request. */
const ContextOfOne: new () => Context = hasFrames() ? Frame : SharedResource;
/** The context of calls that belong to many requests, so that no call may see a value that another has set. */
const ContextOfMany: new () => Context =
  ContextOfOne === SharedResource && writesIntoResources ? FreshResources : ContextOfOne;

/** Captures the present context, for calls that belong to one request: a value that one call sets may be visible to the next. */
export function presentContext(): Context {
  return new ContextOfOne();
}

/**
 * The symbol under which an AsyncResource of Node 24 and newer keeps the context in which it was made: an object that `enterWith`
 * replaces. It is not documented; undefined if it is not as expected.
 */
const FRAME = writesIntoResources || ContextOfOne === Frame ? undefined : findFrame();

function findFrame(): symbol | undefined {
  const outside = new AsyncResource("plinth");
  const symbol = Object.getOwnPropertySymbols(outside).find(({ description }) => description === "context_frame");
  if (symbol === undefined) return undefined;
  const storage = new AsyncLocalStorage<boolean>();
  const frame = (): unknown => frameOf(new AsyncResource("plinth"), symbol);
  // The scope ends the changes that `run` may leave in the context.
  const [before, inside, again] = outside.runInAsyncScope(() => [
    frame(),
    ...storage.run(true, () => [frame(), frame()]),
  ]);
  return before === frameOf(outside, symbol) && inside !== before && inside === again ? symbol : undefined;
}

/**
 * For Node 20 and 22, where an AsyncLocalStorage that is in use marks each resource: the number of checks that have found no mark; -1 after
 * a check has found one. -1 on other runtimes.
 */
let unused = writesIntoResources ? 0 : -1;

function checkUse(): void {
  const marks = Object.getOwnPropertySymbols(new AsyncResource("plinth"));
  unused = marks.every(({ description }) => IDS.has(description)) ? unused + 1 : -1;
}

/** The symbols that every resource has. */
const IDS = new Set<string | undefined>(["async_id_symbol", "trigger_async_id_symbol"]);

function frameOf(resource: AsyncResource, symbol: symbol): unknown {
  return (resource as unknown as Record<symbol, unknown>)[symbol];
}

/** The context in which a server was started, for calls that belong to many requests, or to none. */
export class StartContext implements Context {
  #context: Context = new ContextOfMany();
  #frame = presentFrame();
  /** A callback of the event loop runs in this very context, and no code of the user's has run in it yet. */
  #isPresent = false;

  /** Captures the present context, because the server starts in it. */
  renew(): void {
    this.#context = new ContextOfMany();
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
   * Whether the present callback of the event loop is in this context, as far as is known. A handle calls back many times.
   * @param before the result of the last call for the same handle; 0 the first time
   * @returns a number above 0 if the callback is in this context
   */
  presence(before: number): number {
    // A frame is an object, and a handle calls back in the frame in which it was made. So one comparison is enough.
    if (FRAME !== undefined) return before !== 0 ? before : presentFrame() === this.#frame ? 1 : -1;
    // A handler's `enterWith` writes into the resource that calls back, which is the handle. So there is a check between two callbacks of one
    // handle. After a check has found an AsyncLocalStorage in use, each request gets a resource of its own.
    if (unused === before) checkUse();
    return unused;
  }

  /**
   * A callback of the event loop begins in this context, as `presence` has found. The next `run` need not enter the context, which on Node
   * costs about a twentieth of a request.
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
