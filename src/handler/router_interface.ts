/** What finds a handler class by the path of a request: the interface that `Router` has, and any other may have. */
import type { RequestHandlerClass } from "./handler.ts";
import type { RouteParams } from "./request_path.ts";

/** Finds a handler class by the path of a request. `Router` is one; a server takes any. */
export interface RequestRouter {
  /** Every class that it may find. Looked at once, when the server is constructed. */
  readonly handlers: Iterable<RequestHandlerClass>;
  /**
   * Finds the class for a path; `fallback` says that none is meant for it, and a method that the class lacks is 404 then.
   * @param path as it was sent: without its query, neither decoded nor normalized
   * @returns undefined where there is no class at all: 404
   */
  find(
    path: string,
  ): { Handler: RequestHandlerClass; params?: RouteParams | undefined; fallback?: boolean } | undefined;
}

/** What a server is given to handle its requests. */
export type Handlers = RequestHandlerClass | RequestRouter;

/** Whether it is a router, and not a handler class. */
export function isRouter(handlers: Handlers): handlers is RequestRouter {
  return typeof handlers === "object" && handlers !== null && typeof handlers.find === "function";
}

/** All handler classes, each once. */
export function classesOf(handlers: Handlers): RequestHandlerClass[] {
  return isRouter(handlers) ? [...new Set(handlers.handlers)] : [handlers];
}
