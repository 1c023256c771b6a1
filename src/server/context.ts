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

const One: new () => Context = hasFrames() ? Frame : SharedResource;
const Shared: new () => Context = One === SharedResource && writesIntoResources ? FreshResources : One;

/** The present context, for calls that belong to one request: what one of them enters, the next may see. */
export function presentContext(): Context {
  return new One();
}

/** The context of a server's start, for calls that belong to many requests, or to none. */
export class StartContext implements Context {
  #context: Context = new Shared();

  /** The server starts in the present context. */
  renew(): void {
    this.#context = new Shared();
  }

  run<Argument, Result>(task: (argument: Argument) => Result, argument: Argument): Result {
    return this.#context.run(task, argument);
  }
}
