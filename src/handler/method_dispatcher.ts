/** Finds the handler class of a request and the method of that class, and calls the method. */
import type { RequestHead } from "../protocol/exchange.ts";
import type { BodyLimits } from "../protocol/limits.ts";
import { quote } from "../quote_value.ts";
import { ofAnotherCopy } from "../runtime/library_copies.ts";
import { bufferedBodyOf, checkBodySize, classLimitsOf } from "./class_limits.ts";
import { HTTPError } from "./errors.ts";
import { BaseHTTPRequestHandler, reportsEnd, type RequestHandlerClass } from "./handler.ts";
import { loggable } from "../loop/log.ts";
import { allowed, checkFields, type MethodFunction, methodsOf, STANDARD_METHODS } from "./handler_methods.ts";
import type { RequestContext } from "./request_context.ts";
import { pathOf } from "./request_path.ts";
import { classesOf, type Handlers, isRouter, type RequestRouter } from "./router_interface.ts";

/** A handler class, with its methods and its limits. */
interface Profile {
  readonly Handler: RequestHandlerClass;
  readonly methods: ReadonlyMap<string, MethodFunction>;
  readonly allowed: string;
  /** Bytes of content that may be read before the method is called; -1: the method is called at once. */
  readonly bufferedBody: number;
  /** The class's own limits for content; null: the server's limits apply. */
  readonly limits: BodyLimits | null;
  /** An object of the class has been checked for fields that are named as methods. */
  checked: boolean;
}

const BASE = BaseHTTPRequestHandler.prototype;

export class MethodDispatcher {
  readonly #limits: BodyLimits;
  readonly #router: RequestRouter | null;
  readonly #only: Profile | null;
  readonly #profiles = new Map<RequestHandlerClass, Profile>();
  /** Whether a class overrides `requestEnded` or the log, so that the end of requests is reported although the server logs nothing. */
  readonly reportsEnds: boolean;
  /** Whether a class has limits of its own for content. */
  readonly hasOwnLimits: boolean;
  /** The methods that at least one class has. */
  readonly #known = new Set<string>();

  /**
   * @throws {TypeError} for a class that does not extend BaseHTTPRequestHandler, or has a `do_` name that is not a method; {TypeError} or
   *   {RangeError} for a static limit that is not such a number
   */
  constructor(handlers: Handlers, limits: BodyLimits) {
    this.#limits = limits;
    this.#router = isRouter(handlers) ? handlers : null;
    for (const Handler of classesOf(handlers)) this.#add(Handler);
    this.#only = isRouter(handlers) ? null : this.#profiles.get(handlers)!;
    const profiles = [...this.#profiles.values()];
    this.reportsEnds = profiles.some(({ Handler }) => reportsEnd(Handler.prototype as BaseHTTPRequestHandler));
    this.hasOwnLimits = profiles.some(({ limits }) => limits !== null);
  }

  /**
   * The content limits of the class that a request is for; null: the server's limits apply. For an executor that reads content before it
   * starts the handler.
   */
  limitsFor({ target }: RequestHead): BodyLimits | null {
    if (!this.hasOwnLimits) return null;
    if (this.#only !== null) return this.#only.limits;
    try {
      const route = target === "*" ? undefined : this.#router!.find(pathOf(target));
      return (route && this.#profiles.get(route.Handler)?.limits) ?? null;
    } catch {
      return null; // `dispatch` will throw the same error, which becomes the response
    }
  }

  /**
   * Makes the handler of a request and calls its method.
   * @returns what the method returns: a promise if it is asynchronous
   * @throws what the handler throws; {HTTPError} 404, 405, 413, 501
   */
  dispatch(request: RequestContext): unknown {
    const { head } = request.exchange;
    const { method } = head;
    let profile = this.#only;
    let fallback = false;
    if (profile === null) {
      const { target } = head; // read once, because the getter makes a string each time
      if (target === "*") return this.#describeServer(request);
      const route = this.#router!.find(pathOf(target));
      if (route === undefined) throw this.#notFound(method);
      request.routeParams = route.params ?? {};
      profile = this.#profiles.get(route.Handler) ?? null;
      if (profile === null) throw new Error("the router has found a class that is not among its handlers");
      fallback = route.fallback === true;
    }
    const handler = (request.handler = new profile.Handler(request));
    const { exchange } = request;
    if (profile.limits !== null) exchange.limitBody(profile.limits);
    if (!profile.checked) {
      checkFields(profile.Handler, handler);
      profile.checked = true;
    }
    // A Content-Length that exceeds the limit is refused before `setup` is called.
    checkBodySize(exchange, profile.limits ?? this.#limits);
    // HEAD is GET without its content, which the protocol drops (RFC 9110 §9.3.2).
    const run = profile.methods.get(method) ?? (method === "HEAD" ? profile.methods.get("GET") : undefined);
    // Looked up on the object and not on the class, so that a `setup` that is a field is called as well.
    if (handler.setup !== BASE.setup || handler.finish !== BASE.finish)
      return this.#runWithin(request, run, handler, profile, fallback);
    return run !== undefined ? this.#run(request, run, handler, profile) : this.#runDefault(handler, profile, fallback);
  }

  /** Calls a method; if its class has `bufferedBody`, when the content has arrived. */
  #run(request: RequestContext, run: MethodFunction, handler: BaseHTTPRequestHandler, profile: Profile): unknown {
    if (profile.bufferedBody < 0) return run.call(handler);
    const arrival = request.reader.readAhead(profile.bufferedBody);
    return arrival === null ? run.call(handler) : arrival.then(() => run.call(handler));
  }

  async #runWithin(
    request: RequestContext,
    run: MethodFunction | undefined,
    handler: BaseHTTPRequestHandler,
    profile: Profile,
    fallback: boolean,
  ): Promise<void> {
    await handler.setup();
    let failure: { error: unknown } | null = null;
    try {
      await (run !== undefined
        ? this.#run(request, run, handler, profile)
        : this.#runDefault(handler, profile, fallback));
    } catch (error) {
      failure = { error };
    }
    try {
      await handler.finish();
    } catch (error) {
      if (failure === null) throw error;
      handler.logError("finish has failed as well: %s", loggable(error)); // the first error decides the response
    }
    if (failure !== null) throw failure.error;
  }

  /** Responds to a method that the class lacks. */
  #runDefault(handler: BaseHTTPRequestHandler, profile: Profile, fallback: boolean): void {
    const { method } = handler;
    if (fallback) throw this.#notFound(method);
    if (method === "OPTIONS" && profile.methods.size > 0) return sendAllow(handler, profile.allowed);
    if (this.#isKnown(method) && profile.methods.size > 0) {
      throw new HTTPError(405, {
        headers: { Allow: profile.allowed },
        detail: `This resource does not have the method ${method}.`,
      });
    }
    throw notImplemented(method);
  }

  /**
   * Whether a method is standard, or a class of this server has it. CONNECT counts only if a class has it: a server that opens no
   * tunnels need not know the method (RFC 9110 §9.3.6).
   */
  #isKnown(method: string): boolean {
    return this.#known.has(method) || (STANDARD_METHODS.has(method) && method !== "CONNECT");
  }

  #notFound(method: string): HTTPError {
    if (!this.#isKnown(method)) return notImplemented(method);
    return new HTTPError(404, { detail: "There is nothing at this path." });
  }

  /** OPTIONS * asks about the server as a whole (RFC 9110 §9.3.7). */
  #describeServer(request: RequestContext): void {
    sendAllow((request.handler = new BaseHTTPRequestHandler(request)), allowed(this.#known));
  }

  #add(Handler: RequestHandlerClass): void {
    const isFallback = Handler === BaseHTTPRequestHandler && this.#router !== null; // a router may fall back on the base class
    if (!isFallback && (typeof Handler !== "function" || !(Handler.prototype instanceof BaseHTTPRequestHandler))) {
      throw new TypeError(
        ofAnotherCopy(Handler, "BaseHTTPRequestHandler") ??
          `the handler must be a class that extends BaseHTTPRequestHandler, or a Router, not ${quote(Handler)}`,
      );
    }
    const methods = methodsOf(Handler);
    for (const method of methods.keys()) this.#known.add(method);
    const bufferedBody = bufferedBodyOf(Handler);
    const limits = classLimitsOf(Handler, this.#limits);
    this.#profiles.set(Handler, {
      Handler,
      methods,
      allowed: allowed(methods.keys()),
      bufferedBody,
      limits,
      checked: false,
    });
  }
}

function sendAllow(handler: BaseHTTPRequestHandler, methods: string): void {
  handler.sendResponse(204);
  handler.sendHeader("Allow", methods);
  handler.endHeaders();
}

function notImplemented(method: string): HTTPError {
  return new HTTPError(501, { detail: `This server does not have the method ${method}.` });
}
