/**
 * Members of a server that other files of this package call or override. They are symbols, because a user's class may well have a
 * `makeConnection` of its own, and private names would be known to one file alone.
 */

/** The names of options that a class takes beside those of HTTPServer, and looks at itself. */
export const OWN_OPTIONS: unique symbol = Symbol("ownOptions");
/** Makes what runs the handlers. */
export const MAKE_EXECUTOR: unique symbol = Symbol("makeExecutor");
/** The protocols that the server speaks. */
export const PROTOCOLS: unique symbol = Symbol("protocols");
/** Gives what handlers, and those who run them, have of the server. */
export const MAKE_SERVICES: unique symbol = Symbol("makeServices");
