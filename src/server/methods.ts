/** Which methods a handler class has: the functions that it, or a class it extends, defines as `do_` + method. */

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

/**
 * The methods of a handler class, by their exact names. Looked up once: what is not a function on a class's prototype, such as a
 * field, or anything that Object.prototype has, is never run because a request says its name.
 */
export function methodsOf(handlerClass: { readonly prototype: object }): ReadonlyMap<string, MethodFunction> {
  const methods = new Map<string, MethodFunction>();
  for (let p = handlerClass.prototype; p !== null && p !== Object.prototype; p = Object.getPrototypeOf(p) as object) {
    for (const name of Object.getOwnPropertyNames(p)) {
      if (!name.startsWith("do_") || name.length === 3 || methods.has(name.slice(3))) continue;
      const value: unknown = Object.getOwnPropertyDescriptor(p, name)!.value;
      if (typeof value === "function") methods.set(name.slice(3), value as MethodFunction);
    }
  }
  return methods;
}

/** What the Allow field says (RFC 9110 §10.2.1): the class's methods, and those that follow from them. */
export function allowed(methods: ReadonlyMap<string, MethodFunction>): string {
  const names = new Set(methods.keys());
  if (names.has("GET")) names.add("HEAD");
  names.add("OPTIONS");
  return [...names].join(", ");
}
