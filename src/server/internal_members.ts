/**
 * Members of a server that other files of this package call or override. They are symbols: a name could clash with a member of a user's
 * class, and a private name can be used in one file only.
 */

/** The names of options that a class takes in addition to those of HTTPServer, and checks itself. */
export const OWN_OPTIONS: unique symbol = Symbol("ownOptions");
/** Makes the executor, which runs the handlers. */
export const MAKE_EXECUTOR: unique symbol = Symbol("makeExecutor");
/** The protocols that the server speaks. */
export const MAKE_PROTOCOLS: unique symbol = Symbol("makeProtocols");
/** Makes the services that handlers and executors get from the server. */
export const MAKE_SERVICES: unique symbol = Symbol("makeServices");
/** How the server speaks TLS; null: it does not. Called at activation. */
export const MAKE_TLS: unique symbol = Symbol("makeTls");
/** The server's present settings of TLS, and its handshakes. */
export const TLS: unique symbol = Symbol("tls");
