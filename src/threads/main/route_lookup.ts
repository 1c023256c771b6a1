/** Which class of a router a request is for, where the router runs on the event loop and not in the threads. */
import type { RequestHead } from "../../protocol/exchange.ts";
import { pathOf } from "../../handler/request_path.ts";
import { classesOf, type Handlers, isRouter } from "../../handler/router_interface.ts";
import { isApart, type Program } from "../../program/program_description.ts";
import type { Route } from "../shared/heads.ts";

export class RouteLookup {
  readonly #handlers: Handlers;
  readonly #classes: readonly unknown[];
  /** Threads are told what the router finds; null until a thread has said whether it has a router of its own. */
  #isNeeded: boolean | null;

  constructor(handlers: Handlers, program: Program) {
    this.#handlers = handlers;
    this.#classes = classesOf(handlers);
    this.#isNeeded = isRouter(handlers) ? isApart(program) || null : false;
  }

  /** Whether it is known yet if threads need to be told. Before that, no request enters the queue. */
  get isKnown(): boolean {
    return this.#isNeeded !== null;
  }

  /** Whether threads are to be told what the router finds. */
  get isNeeded(): boolean {
    return this.#isNeeded === true;
  }

  /** A thread is ready. @param needsRoutes it has no router of its own */
  threadReady(needsRoutes: boolean): void {
    this.#isNeeded = this.#isNeeded === true || needsRoutes;
  }

  /**
   * Finds the class of a request.
   * @returns null for `OPTIONS *`, which is for no class
   * @throws what the router throws, and {Error} where it finds a class that is not among its handlers
   */
  readonly find = ({ target }: RequestHead): Route | null => {
    if (target === "*" || !isRouter(this.#handlers)) return null;
    const found = this.#handlers.find(pathOf(target));
    if (found === undefined) return { index: this.#classes.length, params: undefined, fallback: false };
    const index = this.#classes.indexOf(found.Handler);
    if (index < 0) throw new Error("the router has found a class that is not among its handlers");
    return { index, params: found.params, fallback: found.fallback === true };
  };
}
