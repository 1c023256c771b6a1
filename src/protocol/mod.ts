/** The protocol layer by itself, for programs that carry HTTP over a transport of their own. */
export * from "./errors.ts";
export type * from "./connection.ts";
export type * from "./exchange.ts";
export { Field, FieldList, Fields } from "./fields.ts";
export { DEFAULT_LIMITS, type BodyLimits, type Limits, limitsFrom } from "./limits.ts";
export { ChunkPool } from "./send_buffer.ts";
export { reasonOf, REASONS } from "./status.ts";
export { Http1Connection } from "./http1/connection.ts";
export type { Http1Settings, OwnLine } from "./http1/settings.ts";
