/** Redirects plain HTTP to HTTPS. */
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "plinth";

/** The status of a response that a class without methods sends for every request. */
const NOT_IMPLEMENTED = 501;

/** The scheme and host of a request target in absolute form (RFC 9112 §3.2.2). */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i;

/**
 * Makes a handler class that responds to every request, whatever its method, with 308 (Permanent Redirect) to the same host and path by
 * HTTPS. Clients repeat the request there as it was, content included (RFC 9110 §15.4.9).
 * @param port the port of HTTPS
 */
export function redirectTo(port: number): RequestHandlerClass {
  return class HTTPSRedirectHandler extends BaseHTTPRequestHandler {
    override sendError(code: number, ...rest: [string?, string?, object?]): void {
      if (code !== NOT_IMPLEMENTED) return super.sendError(code, ...rest);
      const host = /^(?:\[[^\]]*\]|[^:]+)/.exec(this.authority ?? "")?.[0];
      if (host === undefined)
        return super.sendError(400, undefined, "Without a Host field, it is not known where to redirect this request.");
      this.sendResponse(308);
      this.sendHeader("Location", `https://${host}${port === 443 ? "" : `:${port}`}${pathIn(this.path)}`);
      this.sendHeader("Content-Length", 0);
      this.endHeaders();
    }
  };
}

/** The path and query of a request target; "/" of one that has none, such as "*". */
function pathIn(target: string): string {
  const rest = target.replace(ORIGIN, "");
  if (rest.startsWith("/")) return rest;
  return rest.startsWith("?") ? `/${rest}` : "/";
}
