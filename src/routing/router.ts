/** Finds the handler class for a path by patterns. The package rou3 matches them; their syntax is that of the web's URLPattern. */
import { addRoute, compareRoutes, createRouter, findRoute, type RouterContext } from "rou3";
import { quote } from "../quote_value.ts";
import { ofAnotherCopy } from "../runtime/library_copies.ts";
import type { RouteParams } from "../handler/request_path.ts";
import type { RequestRouter } from "../handler/router_interface.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "../handler/handler.ts";

/** Options of a router. */
export interface RouterOptions {
  /**
   * The class for paths that no pattern matches. A method that it lacks gets a 404 by the `sendError` of this class (a 501 if the method is
   * neither standard nor of another class). So a class without methods decides what the 404s look like. BaseHTTPRequestHandler by default.
   */
  readonly fallback?: RequestHandlerClass | undefined;
}

/**
 * Path patterns and their handler classes. Give it to a server in place of a handler class. The parameters that a pattern names are in the
 * handler's `pathParams`, decoded.
 *
 * - `/models/:name` matches one segment.
 * - `/models/:id(\\d+)` matches one segment that the expression matches.
 * - `/files/:path+` matches one or more segments.
 * - `/files/:path*` matches any number of segments, or none.
 * - `/:lang?/about` matches with or without the segment.
 *
 * The most specific pattern wins. If two patterns are equally specific, the first one wins. A slash at the end of a path makes no difference.
 * Paths are compared as they were sent, with regard to case.
 *
 * @example
 * const router = new Router({ "/": Home, "/models/:name": Model });
 * const httpd = new HTTPServer(["127.0.0.1", 8000], router);
 */
export class Router implements RequestRouter {
  /** Patterns without parameters. They are tried first: rou3 counts a pattern whose parameter may be missing as equally specific. */
  readonly #plain: RouterContext<RoutedClass> = createRouter();
  readonly #routes: RouterContext<RoutedClass> = createRouter();
  readonly #handlers = new Set<RequestHandlerClass>();
  readonly #patterns = new Set<string>();
  readonly #fallback: RequestHandlerClass;
  #taken = false;

  /**
   * @param routes handler classes by their patterns
   * @throws as `add` does
   */
  constructor(routes: Readonly<Record<string, RequestHandlerClass>> = {}, options: RouterOptions = {}) {
    this.#fallback = check(options.fallback ?? BaseHTTPRequestHandler, "fallback");
    for (const pattern of Object.keys(routes)) this.add(pattern, routes[pattern]);
  }

  /**
   * Adds a pattern, before a server is constructed with the router.
   * @returns the router
   * @throws {TypeError} when `Handler` is not a handler class; {Error} for a pattern that cannot be read or was added already, and when a
   *   server has the router
   */
  add(pattern: string, Handler: RequestHandlerClass): this {
    if (this.#taken) throw new Error(`cannot route ${pattern}: a server has been constructed with this router`);
    check(Handler, pattern);
    if (!pattern.startsWith("/")) throw new Error(`cannot route ${quote(pattern)}: a pattern begins with a slash`);
    if (/[<>]|\{\w+\}(?!\?)/.test(pattern))
      throw new Error(`cannot route ${pattern}: a parameter is written with a colon, as in /models/:name`);
    try {
      for (const other of this.#patterns) {
        if (compareRoutes(pattern, other) === "equal") throw new Error(`${other} matches the same paths`);
      }
      // rou3 gives the match of a bare ** two names, "0" and "_", the second for the sake of its early versions.
      const alias = /\*\*(?!:)/.test(pattern);
      addRoute(/[:*({]/.test(pattern) ? this.#routes : this.#plain, "", pattern, { Handler, alias });
    } catch (error) {
      throw new Error(`cannot route ${pattern}: ${(error as Error).message.replace(/^rou3: /, "")}`, { cause: error });
    }
    this.#patterns.add(pattern);
    this.#handlers.add(Handler);
    return this;
  }

  /** The classes, each once, with the fallback. Patterns can no longer be added after it was read. */
  get handlers(): Iterable<RequestHandlerClass> {
    this.#taken = true;
    return new Set([...this.#handlers, this.#fallback]);
  }

  /** Finds the class for a path, as a server does. @param path as it was sent, without its query */
  find(path: string): { Handler: RequestHandlerClass; params?: RouteParams | undefined; fallback?: boolean } {
    const found = path === "" ? undefined : (findRoute(this.#plain, "", path) ?? findRoute(this.#routes, "", path));
    if (found === undefined) return { Handler: this.#fallback, fallback: true };
    const { Handler, alias } = found.data;
    return { Handler, params: alias ? { ...found.params, _: undefined } : found.params };
  }
}

interface RoutedClass {
  readonly Handler: RequestHandlerClass;
  /** rou3 adds a parameter "_" that the pattern does not name. */
  readonly alias: boolean;
}

function check(Handler: RequestHandlerClass, where: string): RequestHandlerClass {
  if (
    Handler === BaseHTTPRequestHandler ||
    (typeof Handler === "function" && Handler.prototype instanceof BaseHTTPRequestHandler)
  )
    return Handler;
  const why =
    ofAnotherCopy(Handler, "BaseHTTPRequestHandler") ??
    `its handler must be a class that extends BaseHTTPRequestHandler, not ${quote(Handler)}`;
  throw new TypeError(`cannot route ${where}: ${why}`);
}
