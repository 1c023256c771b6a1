/** Which methods a handler class has: the functions that it, or a class it extends, defines as `do_` + method. */
import { isToken } from "../protocol/grammar.ts";

/** The standard methods (RFC 9110 §9.3; PATCH: RFC 5789; QUERY: RFC 10008). A server knows others only if one of its classes has them. */
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

/** The name of a handler class, for messages. */
export function nameOf({ name }: { readonly name: string }): string {
  return name || "the handler class";
}

/**
 * The methods of a handler class, by their exact names. They are functions on the prototypes of the class and the classes it extends.
 * A request can name no other function, such as those of Object.prototype.
 * @throws {TypeError} for a `do_` name that is not a method: no request would reach it
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
        throw new TypeError(
          `${nameOf(handlerClass)} has ${name}, which no request reaches: the name of an HTTP method is a token (RFC 9110 §5.6.2)`,
        );
      if (!methods.has(name.slice(3))) methods.set(name.slice(3), value as MethodFunction);
    }
    looksLikeField ||= FIELD.test(Function.prototype.toString.call(c));
  }
  if (looksLikeField) checkFields(handlerClass, sampleOf(handlerClass));
  return methods;
}

/**
 * Checks an object of a handler class for fields that are named as methods. The class itself does not show its fields.
 * @throws {TypeError} for the first such field
 */
export function checkFields(handlerClass: HandlerClass, handler: object): void {
  for (const name of Object.getOwnPropertyNames(handler)) if (isMethodName(name)) refuse(handlerClass, name, "a field");
}

/** The value of the Allow field (RFC 9110 §10.2.1): the methods, HEAD if there is GET, and OPTIONS. */
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

/** Finds, in a class's source, what may be a field that is named as a method: do_GET = …, "do_M-SEARCH" = …, this.do_GET = … */
const FIELD = /do_[^\s=(){};,.]+\s*=(?!=)/;

/** An object of a class, whose fields are checked. Made only if the class's source gives cause, since a constructor may have side effects. */
function sampleOf(handlerClass: HandlerClass): object {
  try {
    return new handlerClass({ request: null } as never);
  } catch {
    return {}; // the constructor needs a real request, so the object of the first request is checked
  }
}
