/** The interface of routers, which find a handler class by the path of a request. */
import type { RequestHandlerClass } from "./handler.ts";
import type { RouteParams } from "./request_path.ts";

/** Finds a handler class by the path of a request. `Router` implements it; a server takes any object that does. */
export interface RequestRouter {
  /** Every class that `find` may return. Read when the server is constructed. */
  readonly handlers: Iterable<RequestHandlerClass>;
  /**
   * Finds the class for a path.
   * @param path as it was sent: without its query, neither decoded nor normalized
   * @returns the class, and the parameters in the path. With `fallback: true`, no class is meant for the path, and a method that the class
   *   lacks gets a 404. undefined: there is no class at all, and the request gets a 404. (A method that the server does not know gets a 501.)
   */
  find(
    path: string,
  ): { Handler: RequestHandlerClass; params?: RouteParams | undefined; fallback?: boolean } | undefined;
}

/** The argument of a server that says how to handle requests: a handler class, or a router. */
export type Handlers = RequestHandlerClass | RequestRouter;

/** Whether it is a router, and not a handler class. */
export function isRouter(handlers: Handlers): handlers is RequestRouter {
  return typeof handlers === "object" && handlers !== null && typeof handlers.find === "function";
}

/** All handler classes, each once. */
export function classesOf(handlers: Handlers): RequestHandlerClass[] {
  return isRouter(handlers) ? [...new Set(handlers.handlers)] : [handlers];
}
