/** HTTP/1, for the protocol selector of a server. */
import type { Limits } from "../limits.ts";
import type { Protocol } from "../protocol_selector.ts";
import type { ChunkPool } from "../send_buffer.ts";
import { Http1Connection } from "./connection.ts";

/**
 * Makes the entry of HTTP/1.0 and HTTP/1.1 for a ProtocolSelector.
 * @param pool spare chunks for the output of all connections
 * @param sendsInformational the parameter of Http1Connection
 */
export function http1(limits: Limits, pool: ChunkPool, sendsInformational: boolean): Protocol {
  return {
    alpn: "http/1.1",
    preface: null,
    connect: (host) => new Http1Connection(host, limits, pool, sendsInformational),
  };
}
