/** The options of a server: the meaning, the default and the check of each. */
import { type Limits, limitsFrom } from "../protocol/limits.ts";
import { checkNames, checkNumbers, type NumberRule, SOME_TIME, TIME } from "../option_checks.ts";
import { quote } from "../quote_value.ts";
import type { Transport } from "../transport/transport.ts";
import type { LogOption } from "../loop/log.ts";

/** The limits of a server, as its options: each may be left out. */
export type LimitOptions = { readonly [Name in keyof Limits]?: Limits[Name] | undefined };

/** Options of a server. Sizes are in bytes, times in milliseconds. */
export interface HTTPServerOptions extends LimitOptions {
  /**
   * Where log lines go: "plain" to stderr, "none" nowhere, or to a function that is called with each line. A promise that the function
   * returns is not awaited. Default "plain".
   */
  readonly log?: LogOption | undefined;
  /**
   * How many connections may be open at a time; a further one is closed at once. If the process may not have that many file descriptors,
   * the server lowers the number, and logs it. Default 16,384.
   */
  readonly maxConnections?: number | undefined;
  /**
   * How long a client may take nothing of its response before its connection is closed. The time begins anew whenever the client takes
   * something, so a client may read slowly. "Slow clients" in docs/GUIDE.md says how the server notices. Default 60 s.
   */
  readonly sendTimeout?: number | undefined;
  /**
   * How long a client may be silent after the server has closed its side of the connection. Until then, the server reads and drops what
   * the client sends: a connection that is closed while data comes is reset, and the reset can overtake the response (RFC 9112 §9.6).
   * Default 5 s.
   */
  readonly lingerTimeout?: number | undefined;
  /** How long the server goes on reading in all after it has closed its side, if the client goes on sending. Default 30 s. */
  readonly maxLingerTime?: number | undefined;
  /**
   * How long a handler may run, reading and writing included. If it runs longer, its client gets a 503, or a cut connection if part of
   * the response has left. The handler's `signal` aborts with a DOMException named "TimeoutError". On the event loop, the handler itself
   * cannot be stopped. Default: Infinity.
   */
  readonly handlerTimeout?: number | undefined;
  /**
   * How long a handler thread or a listener may take to import the program and to find its server there. If one takes longer,
   * `serverActivate` rejects. Default 60 s.
   */
  readonly startTimeout?: number | undefined;
  /** How long `shutdown` waits for running handlers. Default 10 s. */
  readonly shutdownTimeout?: number | undefined;
  /**
   * How long `shutdown` waits for one more request on a connection whose last response did not say `Connection: close`. That request is
   * handled, and its response says so. With 0, such connections are closed at once, and connections that wait to be accepted are reset.
   * Default 500 ms.
   */
  readonly shutdownGrace?: number | undefined;
  /**
   * How many connections may wait to be accepted: the backlog of `listen(2)`. On Bun, it cannot be set, and is 512. Default 511.
   * @source Python's `request_queue_size`
   */
  readonly requestQueueSize?: number | undefined;
  /**
   * Whether other processes may listen on the same port and share its connections (SO_REUSEPORT). Default false.
   * @source Python's `allow_reuse_port`
   */
  readonly reusePort?: boolean | undefined;
  /**
   * How many event loops accept connections and run handlers. One is the program's own. Each other one runs in a thread, which imports the
   * program once more, up to the call by which it begins to serve. The event loops share the port and nothing else: each has its own
   * module state and its own `maxConnections`. docs/RUNTIMES.md says where a port can be shared. Default 1.
   */
  readonly listeners?: number | undefined;
  /**
   * Which clients get the interim responses (1xx) of `sendInformational`: with "never" none, with "http2" those of HTTP/2 and later, with
   * "always" those of HTTP/1.1 too. Some HTTP/1.1 proxies mix up responses after an interim one: docs/GUIDE.md names them. A client that
   * waits for 100 (Continue) always gets it. Default "http2".
   */
  readonly informational?: "never" | "http2" | "always" | undefined;
  /** The transport that carries connections: a MemoryTransport in tests. Default: the runtime's sockets. */
  readonly transport?: Transport | undefined;
}

const INFORMATIONAL: readonly string[] = ["never", "http2", "always"];

export const DEFAULTS = {
  maxConnections: 16_384,
  sendTimeout: 60_000,
  lingerTimeout: 5_000,
  maxLingerTime: 30_000,
  handlerTimeout: Infinity,
  startTimeout: 60_000,
  shutdownTimeout: 10_000,
  shutdownGrace: 500,
  requestQueueSize: 511,
  listeners: 1,
};

/** The most threads, and the most listeners, that one server can have. */
export const MOST_THREADS = 192;

export const RULES: Readonly<Record<keyof typeof DEFAULTS, NumberRule>> = {
  maxConnections: { least: 1, whole: true },
  sendTimeout: SOME_TIME,
  lingerTimeout: TIME,
  maxLingerTime: TIME,
  handlerTimeout: SOME_TIME,
  startTimeout: SOME_TIME,
  shutdownTimeout: TIME,
  shutdownGrace: TIME,
  requestQueueSize: { least: 1, most: 65_535, whole: true },
  listeners: { least: 1, most: MOST_THREADS, whole: true },
};

/** The options but for limits, `log` and `transport`, checked, with defaults for those that were left out. */
export type ServerSettings = typeof DEFAULTS & { readonly informational: string; readonly reusePort: boolean };

/** Options that are neither numbers nor limits. */
const OTHERS = ["log", "transport", "reusePort", "informational"];

/**
 * Checks the options of a server.
 * @param more the names of further options, which a class that extends HTTPServer checks itself
 * @throws {TypeError} for an option that does not exist, and for a value of a wrong type; {RangeError} for a number or a word that is wrong
 */
export function serverSettings(
  options: HTTPServerOptions,
  more: readonly string[],
): { limits: Limits; settings: ServerSettings } {
  const limits = limitsFrom(options);
  checkNames(options, [...OTHERS, ...Object.keys(DEFAULTS), ...Object.keys(limits), ...more], "option ");
  const { informational = "http2", reusePort, transport } = options;
  if (!INFORMATIONAL.includes(informational))
    throw new RangeError(`informational must be "never", "http2" or "always", not ${quote(informational)}`);
  if (reusePort !== undefined && typeof reusePort !== "boolean")
    throw new TypeError(`reusePort must be true or false, not ${quote(reusePort)}`);
  if (transport !== undefined && typeof (transport as Partial<Transport> | null)?.listen !== "function")
    throw new TypeError(`transport must be an object with a method listen, not ${quote(transport)}`);
  const numbers = checkNumbers<keyof typeof DEFAULTS>(options, RULES, DEFAULTS);
  return { limits, settings: { ...numbers, informational, reusePort: reusePort === true || numbers.listeners > 1 } };
}
