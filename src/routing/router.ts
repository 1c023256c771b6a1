/** Sends each path to a handler class of its own. The patterns are rou3's, which are those of the web's URLPattern. */
import { addRoute, compareRoutes, createRouter, findRoute, type RouterContext } from "rou3";
import { quote } from "../quote_value.ts";
import { ofAnotherCopy } from "../runtime/library_copies.ts";
import type { RouteParams } from "../handler/request_path.ts";
import type { RequestRouter } from "../handler/router_interface.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "../handler/handler.ts";

/** Options of a router. */
export interface RouterOptions {
  /**
   * The class for paths that no pattern matches. A method that it lacks gets 404 by its `sendError` (501, where no class
   * has it); so a class without any gives the 404s their looks. BaseHTTPRequestHandler by default.
   */
  readonly fallback?: RequestHandlerClass | undefined;
}

/**
 * Path patterns and their handler classes; takes the place of a handler class where a server is constructed. What a pattern names
 * is in the handler's `pathParams`, decoded.
 *
 * `/models/:name` matches one segment, `/models/:id(\\d+)` one that the expression matches, `/files/:path+` one or more,
 * `/files/:path*` none as well, `/:lang?/about` perhaps one. The most specific pattern wins, and of two that are as specific the
 * first; a slash at the end of a path makes no difference. Paths are compared as they were sent, and letters by their case.
 *
 * @example
 * const router = new Router({ "/": Home, "/models/:name": Model });
 * const httpd = new HTTPServer(["127.0.0.1", 8000], router);
 */
export class Router implements RequestRouter {
  /** Patterns without parameters, which come first: rou3 takes another for as specific, where its parameter may be missing. */
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
   * @throws {TypeError} for what is no handler class; {Error} for a pattern that cannot be read, or is there already, and when a
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
      // rou3 names what a bare ** matches "0", and "_" as well, for those who knew its early versions.
      const alias = /\*\*(?!:)/.test(pattern);
      addRoute(/[:*({]/.test(pattern) ? this.#routes : this.#plain, "", pattern, { Handler, alias });
    } catch (error) {
      throw new Error(`cannot route ${pattern}: ${(error as Error).message.replace(/^rou3: /, "")}`, { cause: error });
    }
    this.#patterns.add(pattern);
    this.#handlers.add(Handler);
    return this;
  }

  /** The classes, each once, the fallback too. */
  get handlers(): Iterable<RequestHandlerClass> {
    this.#taken = true;
    return new Set([...this.#handlers, this.#fallback]);
  }

  /** Finds the class for a path, as a server does. */
  find(path: string): { Handler: RequestHandlerClass; params?: RouteParams | undefined; fallback?: boolean } {
    const found = path === "" ? undefined : (findRoute(this.#plain, "", path) ?? findRoute(this.#routes, "", path));
    if (found === undefined) return { Handler: this.#fallback, fallback: true };
    const { Handler, alias } = found.data;
    return { Handler, params: alias ? { ...found.params, _: undefined } : found.params };
  }
}

interface RoutedClass {
  readonly Handler: RequestHandlerClass;
  /** What was matched has a second name that nobody gave it. */
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
    "what it leads to must be a class that extends BaseHTTPRequestHandler";
  throw new TypeError(`cannot route ${where}: ${why}`);
}
