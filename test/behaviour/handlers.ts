/**
 * The handlers of the behaviour suite, by name: a mode whose handlers run elsewhere imports this module there. So they
 * share nothing with the cases, and keep nothing between requests: what they saw they say in their responses, in trailers or in
 * the log, and what they wait for comes from their client.
 */
export * from "./handlers/responses.ts";
export * from "./handlers/dispatch.ts";
export * from "./handlers/errors.ts";
export * from "./handlers/leaving.ts";
export * from "./handlers/limits.ts";
export * from "./handlers/logging.ts";
export * from "./handlers/outcomes.ts";
export * from "./handlers/reading.ts";
export * from "./handlers/request.ts";
export * from "./handlers/routing.ts";
export * from "./handlers/shortcuts.ts";
export * from "./handlers/stopping.ts";
export * from "./handlers/streaming.ts";
export * from "./handlers/timeouts.ts";
