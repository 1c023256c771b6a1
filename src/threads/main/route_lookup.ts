/** Finds the class of a request on the event loop, for threads that cannot construct the user's router themselves. */
import type { RequestHead } from "../../protocol/exchange.ts";
import { pathOf } from "../../handler/request_path.ts";
import { classesOf, type Handlers, isRouter } from "../../handler/router_interface.ts";
import { isApart, type Program } from "../../program/program_description.ts";
import type { Route } from "../shared/heads.ts";

export class RouteLookup {
  readonly #handlers: Handlers;
  readonly #classes: readonly unknown[];
  /** Whether threads are sent what the router finds; null until the first thread has said whether it has a router of its own. */
  #isNeeded: boolean | null;

  constructor(handlers: Handlers, program: Program) {
    this.#handlers = handlers;
    this.#classes = classesOf(handlers);
    this.#isNeeded = isRouter(handlers) ? isApart(program) || null : false;
  }

  /** Whether it is known yet if threads need routes. Until it is, no request enters the queue. */
  get isKnown(): boolean {
    return this.#isNeeded !== null;
  }

  /** Whether threads are sent what the router finds. */
  get isNeeded(): boolean {
    return this.#isNeeded === true;
  }

  /** A thread is ready. @param needsRoutes whether the thread has no router of its own */
  threadReady(needsRoutes: boolean): void {
    this.#isNeeded = this.#isNeeded === true || needsRoutes;
  }

  /**
   * Finds the class of a request.
   * @returns null for `OPTIONS *`, which no class handles
   * @throws what the router throws, and {Error} if the router finds a class that is not among its handlers
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
