/**
 * All errors that a client can make, in one table. They are data and are never thrown, so that a flood of bad requests does not cost stack
 * traces. A mistake of the program, in contrast, is an Error that is thrown at the call. docs/ERRORS.md shows this table, and a test
 * compares the two.
 */

/** One way of breaking the protocol, and the response to it. */
export interface ProtocolError {
  /** The name of the error. It is stable: programs and logs may match on it. */
  readonly code: string;
  /** The status code of the response. */
  readonly status: number;
  /** What was wrong and what would be right, for the person who reads the response. */
  readonly message: string;
  /** The section of the RFC that has the rule. */
  readonly source: string;
}

function error(code: string, status: number, message: string, source: string): ProtocolError {
  return Object.freeze({ code, status, message, source });
}

// The request line
/** 400: the request line does not begin with a method. */
export const METHOD_INVALID = error(
  "METHOD_INVALID",
  400,
  "The request line must begin with a method, a token, followed by one space.",
  "RFC 9112 §3.1",
);
/** 400: the request target has none of the four forms. */
export const TARGET_INVALID = error(
  "TARGET_INVALID",
  400,
  "The request target must be a path that begins with /, an absolute http or https URI, * with OPTIONS, or host:port with CONNECT, without spaces, fragments, control or non-ASCII characters.",
  "RFC 9112 §3.2",
);
/** 414: the request target is longer than `maxTargetSize`. */
export const TARGET_TOO_LONG = error("TARGET_TOO_LONG", 414, "The request target is too long.", "RFC 9112 §3");
/** 400: the request line does not end with a version of HTTP. */
export const VERSION_INVALID = error(
  "VERSION_INVALID",
  400,
  "The request line must end with one space, HTTP/ and a version such as 1.1, and CR LF.",
  "RFC 9112 §2.3, §3",
);
/** 505: the version is not HTTP/1. */
export const VERSION_UNSUPPORTED = error(
  "VERSION_UNSUPPORTED",
  505,
  "This server speaks HTTP/1.0 and HTTP/1.1 here; it takes HTTP/1.2 to 1.9 for HTTP/1.1.",
  "RFC 9110 §15.6.6",
);

// Fields
/** 400: a CR or an LF stands alone. */
export const LINE_ENDING_INVALID = error(
  "LINE_ENDING_INVALID",
  400,
  "A line must end with CR LF; neither may stand alone.",
  "RFC 9112 §2.2",
);
/** 400: a field line has no name, or white space before its colon. */
export const FIELD_NAME_INVALID = error(
  "FIELD_NAME_INVALID",
  400,
  "A field line must begin with a name, a token, followed at once by a colon.",
  "RFC 9112 §5.1",
);
/** 400: a field value contains a control character. */
export const FIELD_VALUE_INVALID = error(
  "FIELD_VALUE_INVALID",
  400,
  "A field value must not contain control characters.",
  "RFC 9110 §5.5",
);
/** 400: a field line begins with white space. */
export const FIELD_FOLDED = error(
  "FIELD_FOLDED",
  400,
  "A field line must not begin with white space: values are not continued on a second line.",
  "RFC 9112 §2.2, §5.2",
);
/** 431: there are more fields than `maxFields`. */
export const FIELDS_TOO_MANY = error("FIELDS_TOO_MANY", 431, "The request has too many fields.", "RFC 6585 §5");
/** 431: the head is larger than `maxHeadSize`. */
export const HEAD_TOO_LARGE = error("HEAD_TOO_LARGE", 431, "The request's head is too large.", "RFC 6585 §5");
/** 400: the connection was closed inside the head. */
export const HEAD_INCOMPLETE = error(
  "HEAD_INCOMPLETE",
  400,
  "The connection was closed inside the request's head.",
  "RFC 9112 §8",
);
/** 408: the head took longer than `headTimeout`. */
export const HEAD_TIMEOUT = error(
  "HEAD_TIMEOUT",
  408,
  "The request's head took too long to arrive.",
  "RFC 9110 §15.5.9",
);

// Fields with a meaning for the connection
/** 400: an HTTP/1.1 request has no Host field. */
export const HOST_MISSING = error("HOST_MISSING", 400, "An HTTP/1.1 request must have a Host field.", "RFC 9112 §3.2");
/** 400: there are two Host fields. */
export const HOST_REPEATED = error("HOST_REPEATED", 400, "A request must not have two Host fields.", "RFC 9112 §3.2");
/** 400: the Host field is not a host and a port. */
export const HOST_INVALID = error(
  "HOST_INVALID",
  400,
  "The Host field must be a host and, where it has one, a port. Only a target that needs no Host field may leave it empty.",
  "RFC 9112 §3.2; RFC 9110 §4.2.1",
);
/** 400: the Connection field is not a list of tokens. */
export const CONNECTION_INVALID = error(
  "CONNECTION_INVALID",
  400,
  "The Connection field must be a list of tokens.",
  "RFC 9110 §7.6.1",
);
/** 417: the Expect field asks for something other than 100-continue. */
export const EXPECTATION_FAILED = error(
  "EXPECTATION_FAILED",
  417,
  "The only expectation known here is 100-continue.",
  "RFC 9110 §10.1.1",
);
/** 400: a Content-Length is not a row of digits. */
export const CONTENT_LENGTH_INVALID = error(
  "CONTENT_LENGTH_INVALID",
  400,
  "Content-Length must be digits and nothing else.",
  "RFC 9110 §8.6",
);
/** 400: there are two Content-Length fields. */
export const CONTENT_LENGTH_REPEATED = error(
  "CONTENT_LENGTH_REPEATED",
  400,
  "A request must not have two Content-Length fields.",
  "RFC 9112 §6.3",
);
/** 400: Transfer-Encoding does not end with chunked, or names it twice. */
export const TRANSFER_ENCODING_INVALID = error(
  "TRANSFER_ENCODING_INVALID",
  400,
  "Transfer-Encoding must end with chunked, once and without parameters.",
  "RFC 9112 §6.1, §6.3, §7",
);
/** 501: Transfer-Encoding names a coding other than chunked. */
export const TRANSFER_CODING_UNKNOWN = error(
  "TRANSFER_CODING_UNKNOWN",
  501,
  "The only transfer coding known here is chunked.",
  "RFC 9112 §6.1",
);
/** 400: there are a Transfer-Encoding and a Content-Length. */
export const TRANSFER_ENCODING_WITH_LENGTH = error(
  "TRANSFER_ENCODING_WITH_LENGTH",
  400,
  "A request must not have both Transfer-Encoding and Content-Length.",
  "RFC 9112 §6.1",
);
/** 400: an HTTP/1.0 request has a Transfer-Encoding. */
export const TRANSFER_ENCODING_TOO_EARLY = error(
  "TRANSFER_ENCODING_TOO_EARLY",
  400,
  "HTTP/1.0 has no Transfer-Encoding.",
  "RFC 9112 §6.1",
);

// Content
/** 413: the content is larger than `maxBodySize`. */
export const BODY_TOO_LARGE = error("BODY_TOO_LARGE", 413, "The request's content is too large.", "RFC 9110 §15.5.14");
/** 400: the connection was closed inside the content. */
export const BODY_INCOMPLETE = error(
  "BODY_INCOMPLETE",
  400,
  "The connection was closed inside the request's content.",
  "RFC 9112 §8",
);
/** 408: the content arrived too slowly. */
export const BODY_TIMEOUT = error(
  "BODY_TIMEOUT",
  408,
  "The request's content arrived too slowly.",
  "RFC 9110 §15.5.9; RFC 9112 §9.5",
);
/** 400: a chunk does not begin with its size. */
export const CHUNK_SIZE_INVALID = error(
  "CHUNK_SIZE_INVALID",
  400,
  "A chunk must begin with its size in at most 16 hexadecimal digits.",
  "RFC 9112 §7.1",
);
/** 400: a chunk extension is malformed. */
export const CHUNK_EXTENSION_INVALID = error(
  "CHUNK_EXTENSION_INVALID",
  400,
  'A chunk extension must be ;name, ;name=token or ;name="text".',
  "RFC 9112 §7.1.1",
);
/** 413: the chunk extensions of one content are too large. */
export const CHUNK_EXTENSIONS_TOO_LARGE = error(
  "CHUNK_EXTENSIONS_TOO_LARGE",
  413,
  "The chunk extensions are too large.",
  "RFC 9112 §7.1.1",
);
/** 400: a chunk is longer or shorter than its size says. */
export const CHUNK_END_INVALID = error(
  "CHUNK_END_INVALID",
  400,
  "A chunk's data must be followed by CR LF.",
  "RFC 9112 §7.1",
);
/** 400: a field in the trailer section frames or routes the message. */
export const TRAILER_FORBIDDEN = error(
  "TRAILER_FORBIDDEN",
  400,
  "Fields that frame or route a message must not stand in its trailer section.",
  "RFC 9110 §6.5.1",
);
/** 431: the trailer section is too large. */
export const TRAILERS_TOO_LARGE = error(
  "TRAILERS_TOO_LARGE",
  431,
  "The trailer section is too large.",
  "RFC 6585 §5; RFC 9112 §7.1.2",
);

/** Every protocol error, in the order of docs/ERRORS.md. */
export const PROTOCOL_ERRORS: readonly ProtocolError[] = Object.freeze([
  METHOD_INVALID,
  TARGET_INVALID,
  TARGET_TOO_LONG,
  VERSION_INVALID,
  VERSION_UNSUPPORTED,
  LINE_ENDING_INVALID,
  FIELD_NAME_INVALID,
  FIELD_VALUE_INVALID,
  FIELD_FOLDED,
  FIELDS_TOO_MANY,
  HEAD_TOO_LARGE,
  HEAD_INCOMPLETE,
  HEAD_TIMEOUT,
  HOST_MISSING,
  HOST_REPEATED,
  HOST_INVALID,
  CONNECTION_INVALID,
  EXPECTATION_FAILED,
  CONTENT_LENGTH_INVALID,
  CONTENT_LENGTH_REPEATED,
  TRANSFER_ENCODING_INVALID,
  TRANSFER_CODING_UNKNOWN,
  TRANSFER_ENCODING_WITH_LENGTH,
  TRANSFER_ENCODING_TOO_EARLY,
  BODY_TOO_LARGE,
  BODY_INCOMPLETE,
  BODY_TIMEOUT,
  CHUNK_SIZE_INVALID,
  CHUNK_EXTENSION_INVALID,
  CHUNK_EXTENSIONS_TOO_LARGE,
  CHUNK_END_INVALID,
  TRAILER_FORBIDDEN,
  TRAILERS_TOO_LARGE,
]);
