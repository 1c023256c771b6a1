/** Plinth: foundation classes for HTTP servers, after Python's `http.server`. */
export { HTTPServer } from "./server/server.ts";
export { HTTPSServer, type HTTPSServerOptions } from "./server/https_server.ts";
export { selfSignedCertificate, type SelfSignedCertificate } from "./server/self_signed.ts";
export type { CertificateChange, CertificateOptions, ServerNames, TLSOptions } from "./server/tls_options.ts";
export { inheritedSockets } from "./program/inherited_sockets.ts";
export type { NamedSocket } from "./program/thread_context.ts";
export type { HTTPServerOptions, LimitOptions } from "./server/server_options.ts";
export { HandledRequest, type HandlerContext } from "./handler/handled_request.ts";
export { BaseHTTPRequestHandler, type RequestHandlerClass, type RequestMethod } from "./handler/handler.ts";
export { HTTPError, type HTTPErrorOptions, PeerGoneError, type PeerGoneReason } from "./handler/errors.ts";
export type { OutcomeReason, RequestOutcome } from "./handler/request_outcome.ts";
export type { HeaderFields, HeaderValue } from "./handler/header_fields.ts";
export {
  type ServerClass,
  type ServerOptionsOf,
  ThreadingHTTPServer,
  type ThreadingHTTPServerOptions,
  ThreadingHTTPSServer,
  type ThreadingHTTPSServerOptions,
  ThreadingMixIn,
  type ThreadingServer,
  type ThreadingServerClass,
} from "./threads/threading_server.ts";
export type { ThreadingOptions } from "./threads/shared/threading_options.ts";
export type { ThreadingStats, WaitingTime } from "./threads/shared/stats.ts";
export { Router, type RouterOptions } from "./routing/router.ts";
export type { RouteParams } from "./handler/request_path.ts";
export type { RequestRouter } from "./handler/router_interface.ts";
export type { Server } from "./handler/server_interface.ts";
export {
  type InjectedHead,
  type InjectedRequest,
  type InjectedResponse,
  type InjectedStream,
  type InjectedStreamRequest,
  ResponseCutError,
} from "./server/inject.ts";
export { decodeText } from "./handler/json.ts";
export {
  type StandardIssue,
  type StandardResult,
  type StandardSchemaV1,
  validate,
} from "./handler/schema_validation.ts";
export type { ResponseBody } from "./handler/response_body_interface.ts";
export type { RequestBody } from "./handler/request_body.ts";
export type { LogOption } from "./loop/log.ts";
export type { BodyLimits, Limits } from "./protocol/limits.ts";
export type {
  Address,
  Descriptors,
  Handshake,
  Identity,
  InheritedSocket,
  ListenAddress,
  Listener,
  ListenOptions,
  Socket,
  SocketHandler,
  TlsListenOptions,
  TlsSettings,
  Transport,
} from "./transport/transport.ts";
export { type MemoryClient, MemoryTransport } from "./transport/memory.ts";
export type { ProtocolError } from "./protocol/errors.ts";
export type { ConnectionInfo, GoneReason, Peer, SecureConnection } from "./protocol/exchange.ts";
export type { Fields } from "./protocol/fields.ts";
export { VERSION } from "./version.ts";
