// Requests as they stand on the wire.

/** Lines of a head, and the empty line behind them. */
export const request = (...lines: string[]): string => [...lines, "", ""].join("\r\n");

/** The smallest request. */
export const GET: string = request("GET / HTTP/1.1", "Host: a");

/** A request of its own fields behind the Host field. */
export const get = (...fields: string[]): string => request("GET / HTTP/1.1", "Host: a", ...fields);

/** The head of a request with `length` bytes of content. */
export const announce = (length: number, ...fields: string[]): string =>
  request("POST / HTTP/1.1", "Host: a", `Content-Length: ${length}`, ...fields);

/** A request with this content. */
export const post = (body: string, ...fields: string[]): string => announce(body.length, ...fields) + body;

/** A request with content in the chunked coding, given as it is coded. */
export const chunked = (coded: string): string =>
  request("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked") + coded;
