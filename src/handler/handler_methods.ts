/** Which methods a handler class has: the functions that it, or a class it extends, defines as `do_` + method. */
import { isToken } from "../protocol/grammar.ts";

/** The methods everybody knows (RFC 9110 §9.3; PATCH: RFC 5789; QUERY: RFC 10008). Others are only known where defined. */
export const STANDARD_METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
  "PATCH",
  "QUERY",
]);

export type MethodFunction = (this: object) => unknown;

interface HandlerClass {
  new (context: never): object;
  readonly name: string;
  readonly prototype: object;
}

/** How messages call a handler class. */
export function nameOf({ name }: { readonly name: string }): string {
  return name || "the handler class";
}

/**
 * The methods of a handler class, by their exact names. Looked up once: what is not a function on a class's prototype, such as
 * anything that Object.prototype has, is never run because a request says its name.
 * @throws {TypeError} for a `do_` name that is something else than a method, which no request would ever reach
 */
export function methodsOf(handlerClass: HandlerClass): ReadonlyMap<string, MethodFunction> {
  const methods = new Map<string, MethodFunction>();
  let looksLikeField = false;
  for (let c = handlerClass; isClass(c); c = Object.getPrototypeOf(c) as HandlerClass) {
    for (const name of Object.getOwnPropertyNames(c)) if (isMethodName(name)) refuse(handlerClass, name, "static");
    for (const name of Object.getOwnPropertyNames(c.prototype)) {
      if (!isMethodName(name)) continue;
      const value: unknown = Object.getOwnPropertyDescriptor(c.prototype, name)!.value;
      if (typeof value !== "function") refuse(handlerClass, name, value === undefined ? "an accessor" : "a value");
      if (!isToken(name.slice(3)))
        throw new TypeError(`${nameOf(handlerClass)} has ${name}, and no request has such a method: it is a token`);
      if (!methods.has(name.slice(3))) methods.set(name.slice(3), value as MethodFunction);
    }
    looksLikeField ||= FIELD.test(Function.prototype.toString.call(c));
  }
  if (looksLikeField) checkFields(handlerClass, sampleOf(handlerClass));
  return methods;
}

/**
 * Looks for what only an object of a class shows: fields that are named as methods.
 * @throws {TypeError} for the first one
 */
export function checkFields(handlerClass: HandlerClass, handler: object): void {
  for (const name of Object.getOwnPropertyNames(handler)) if (isMethodName(name)) refuse(handlerClass, name, "a field");
}

/** What the Allow field says (RFC 9110 §10.2.1): methods, and those that follow from them. */
export function allowed(methods: Iterable<string>): string {
  const names = new Set(methods);
  if (names.has("GET")) names.add("HEAD");
  names.add("OPTIONS");
  return [...names].join(", ");
}

function isClass(value: unknown): boolean {
  return typeof value === "function" && value !== Function.prototype;
}

function isMethodName(name: string): boolean {
  return name.startsWith("do_") && name.length > 3;
}

function refuse(handlerClass: HandlerClass, name: string, what: string): never {
  throw new TypeError(
    `${nameOf(handlerClass)} has ${name} as ${what === "static" ? "a static member" : what}, which no request reaches: ` +
      `write it as a method, ${/^[\w$]+$/.test(name) ? name : JSON.stringify(name)}() { … }`,
  );
}

/** In a class's source, what may be a field named as a method is: do_GET = …, "do_M-SEARCH" = …, this.do_GET = … */
const FIELD = /do_[^\s=(){};,.]+\s*=(?!=)/;

/** An object of a class, to be looked at. Made only where the source gives cause: to make one may have effects. */
function sampleOf(handlerClass: HandlerClass): object {
  try {
    return new handlerClass({ request: null } as never);
  } catch {
    return {}; // it wants what only a request has; that of the first request will be looked at
  }
}
