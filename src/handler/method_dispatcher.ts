/** Which class, and which of its methods, a request is for. */
import { BODY_TOO_LARGE } from "../protocol/errors.ts";
import type { RequestHead } from "../protocol/exchange.ts";
import { type BodyLimits, LIMIT_RULES } from "../protocol/limits.ts";
import { BYTES, checkNumber } from "../option_checks.ts";
import { ofAnotherCopy } from "../runtime/library_copies.ts";
import { HTTPError } from "./errors.ts";
import { BaseHTTPRequestHandler, isWatched, type RequestHandlerClass } from "./handler.ts";
import { loggable } from "../loop/log.ts";
import { allowed, checkFields, type MethodFunction, methodsOf, nameOf, STANDARD_METHODS } from "./handler_methods.ts";
import type { RequestContext } from "./request_context.ts";
import { pathOf } from "./request_path.ts";
import { classesOf, type Handlers, isRouter, type RequestRouter } from "./router_interface.ts";

/** What is known of a handler class. */
interface Profile {
  readonly Handler: RequestHandlerClass;
  readonly methods: ReadonlyMap<string, MethodFunction>;
  readonly allowed: string;
  /** How much content is read before the method is called; -1 where none is. */
  readonly bufferedBody: number;
  /** Limits of its own for content; null where the server's hold. */
  readonly limits: BodyLimits | null;
  /** An object of it has been looked at, and is what it should be. */
  checked: boolean;
}

const BASE = BaseHTTPRequestHandler.prototype;

export class MethodDispatcher {
  readonly #limits: BodyLimits;
  readonly #router: RequestRouter | null;
  readonly #only: Profile | null;
  readonly #profiles = new Map<RequestHandlerClass, Profile>();
  /** Whether a class wants to know how requests end, though the server logs nothing. */
  readonly watched: boolean;
  /** Whether a class has limits of its own for content. */
  readonly limited: boolean;
  /** Every method that any class has. */
  readonly #known = new Set<string>();

  /** @throws {TypeError} for what is no handler class, or has what looks like a method and is none */
  constructor(handlers: Handlers, limits: BodyLimits) {
    this.#limits = limits;
    this.#router = isRouter(handlers) ? handlers : null;
    for (const Handler of classesOf(handlers)) this.#add(Handler);
    this.#only = isRouter(handlers) ? null : this.#profiles.get(handlers)!;
    const profiles = [...this.#profiles.values()];
    this.watched = profiles.some(({ Handler }) => isWatched(Handler.prototype as BaseHTTPRequestHandler));
    this.limited = profiles.some(({ limits }) => limits !== null);
  }

  /** The limits that the class of a request has for its content; null where the server's hold. For who reads it before the handler does. */
  limitsFor({ target }: RequestHead): BodyLimits | null {
    if (!this.limited) return null;
    if (this.#only !== null) return this.#only.limits;
    try {
      const route = target === "*" ? undefined : this.#router!.find(pathOf(target));
      return (route && this.#profiles.get(route.Handler)?.limits) ?? null;
    } catch {
      return null; // the handler's dispatch meets it again
    }
  }

  /**
   * Makes the handler of a transaction and runs its method.
   * @returns what the method returns: a promise, where it is asynchronous
   * @throws what the handler does; {HTTPError} 404, 405, 501
   */
  dispatch(request: RequestContext): unknown {
    const { head } = request.exchange;
    const { method } = head;
    let profile = this.#only;
    let fallback = false;
    if (profile === null) {
      const { target } = head; // a string made on demand
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
    // Before `setup`, as soon as the head has told.
    if (exchange.bodyLength > (profile.limits ?? this.#limits).maxBodySize) {
      exchange.closeConnection(); // as where chunks turn out to be too much, however little is left
      throw tooLarge();
    }
    // HEAD is GET without its content, which the protocol drops (RFC 9110 §9.3.2).
    const run = profile.methods.get(method) ?? (method === "HEAD" ? profile.methods.get("GET") : undefined);
    // What an object has of its own counts as well: a guard that is a field is a guard.
    if (handler.setup !== BASE.setup || handler.finish !== BASE.finish)
      return this.#runWithin(request, run, handler, profile, fallback);
    return run !== undefined ? this.#run(request, run, handler, profile) : this.#runDefault(handler, profile, fallback);
  }

  /** Calls a method, once there is the content that its class wants to be there. */
  #run(request: RequestContext, run: MethodFunction, handler: BaseHTTPRequestHandler, profile: Profile): unknown {
    if (profile.bufferedBody < 0) return run.call(handler);
    const coming = request.reader.readAhead(profile.bufferedBody);
    return coming === null ? run.call(handler) : coming.then(() => run.call(handler));
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
      handler.logError("finish has failed as well: %s", loggable(error)); // the response is that of the first failure
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

  /** Whether this server has a method, elsewhere at least. A tunnel is only for those who build one (RFC 9110 §9.3.6). */
  #isKnown(method: string): boolean {
    return this.#known.has(method) || (STANDARD_METHODS.has(method) && method !== "CONNECT");
  }

  #notFound(method: string): HTTPError {
    if (!this.#isKnown(method)) return notImplemented(method);
    return new HTTPError(404, { detail: "There is nothing at this path." });
  }

  /** OPTIONS * asks for the server as a whole (RFC 9110 §9.3.7). */
  #describeServer(request: RequestContext): void {
    sendAllow((request.handler = new BaseHTTPRequestHandler(request)), allowed(this.#known));
  }

  #limitsOf(Handler: RequestHandlerClass): BodyLimits | null {
    const { maxBodySize, minBodyRate, bodyTimeout } = this.#limits;
    const limits = {
      maxBodySize: numberOf(Handler, "maxBodySize") ?? maxBodySize,
      minBodyRate: numberOf(Handler, "minBodyRate") ?? minBodyRate,
      bodyTimeout: numberOf(Handler, "bodyTimeout") ?? bodyTimeout,
    };
    return Object.keys(limits).some((name) => name in Handler) ? limits : null;
  }

  #add(Handler: RequestHandlerClass): void {
    const plain = Handler === BaseHTTPRequestHandler && this.#router !== null; // a router's fallback
    if (!plain && (typeof Handler !== "function" || !(Handler.prototype instanceof BaseHTTPRequestHandler))) {
      throw new TypeError(
        ofAnotherCopy(Handler, "BaseHTTPRequestHandler") ??
          "the handler must be a class that extends BaseHTTPRequestHandler, or a Router",
      );
    }
    const methods = methodsOf(Handler);
    for (const method of methods.keys()) this.#known.add(method);
    const bufferedBody = numberOf(Handler, "bufferedBody") ?? -1;
    const limits = this.#limitsOf(Handler);
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

/** What a class says as a static member. @throws {TypeError} or {RangeError} where that is no number that it may be */
function numberOf(Handler: RequestHandlerClass, name: "bufferedBody" | keyof BodyLimits): number | undefined {
  const value: unknown = Handler[name];
  if (value === undefined) return undefined;
  return checkNumber(`${nameOf(Handler)}'s ${name}`, value, name === "bufferedBody" ? BYTES : LIMIT_RULES[name]);
}

/** How much content a class wants to be there before its methods are called; -1 where it says nothing. Throws as `numberOf`. */
export function bufferedBodyOf(Handler: RequestHandlerClass): number {
  return numberOf(Handler, "bufferedBody") ?? -1;
}

function sendAllow(handler: BaseHTTPRequestHandler, methods: string): void {
  handler.sendResponse(204);
  handler.sendHeader("Allow", methods);
  handler.endHeaders();
}

/** The same response as to content in chunks that turns out to be too much. */
function tooLarge(): HTTPError {
  const { status, code, message } = BODY_TOO_LARGE;
  return new HTTPError(status, { detail: message, problem: { code } });
}

function notImplemented(method: string): HTTPError {
  return new HTTPError(501, { detail: `This server does not have the method ${method}.` });
}
