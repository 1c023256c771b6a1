/** Plinth: foundation classes for HTTP servers, after Python's `http.server`. */
export { HTTPServer } from "./server/server.ts";
export { inheritedSockets } from "./server/inherited_sockets.ts";
export type { NamedSocket } from "./server/place.ts";
export type { HTTPServerOptions, LimitOptions } from "./server/server_options.ts";
export { HandledRequest, type HandlerContext } from "./server/handled_request.ts";
export { BaseHTTPRequestHandler, type RequestHandlerClass, type RequestMethod } from "./server/handler.ts";
export { HTTPError, type HTTPErrorOptions, PeerGoneError, type PeerGoneReason } from "./server/errors.ts";
export type { OutcomeReason, RequestOutcome } from "./server/outcome.ts";
export type { HeaderFields, HeaderValue } from "./server/header_fields.ts";
export {
  type ServerClass,
  type ServerOptionsOf,
  ThreadingHTTPServer,
  type ThreadingHTTPServerOptions,
  ThreadingMixIn,
  type ThreadingServer,
  type ThreadingServerClass,
} from "./threads/mixin.ts";
export type { ThreadingOptions } from "./threads/settings.ts";
export type { ThreadingStats, WaitingTime } from "./threads/stats.ts";
export { Router, type RouterOptions } from "./routing/router.ts";
export type { RequestRouter, RouteParams } from "./server/dispatch.ts";
export {
  type InjectedHead,
  type InjectedRequest,
  type InjectedResponse,
  type InjectedStream,
  type InjectedStreamRequest,
  ResponseCutError,
} from "./server/inject.ts";
export { decodeText, validate } from "./server/json.ts";
export type { StandardIssue, StandardResult, StandardSchemaV1 } from "./server/standard_schema.ts";
export type { ResponseBody } from "./server/response_body.ts";
export type { RequestBody } from "./server/rfile.ts";
export type { LogOption } from "./server/log.ts";
export type { BodyLimits, Limits } from "./protocol/limits.ts";
export type {
  Address,
  Descriptors,
  InheritedSocket,
  ListenAddress,
  Listener,
  ListenOptions,
  Socket,
  SocketHandler,
  Transport,
} from "./transport/transport.ts";
export { type MemoryClient, MemoryTransport } from "./transport/memory.ts";
export type { ProtocolError } from "./protocol/errors.ts";
export type { GoneReason, Peer } from "./protocol/exchange.ts";
export type { Fields } from "./protocol/fields.ts";
export { VERSION } from "./version.ts";
