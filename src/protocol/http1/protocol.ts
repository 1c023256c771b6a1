/** HTTP/1 as a protocol among others that a server speaks. */
import type { Limits } from "../limits.ts";
import type { Protocol } from "../protocol_selector.ts";
import type { ChunkPool } from "../send_buffer.ts";
import { Http1Connection } from "./connection.ts";

/**
 * HTTP/1.0 and HTTP/1.1, as one of the protocols that a server speaks.
 * @param pool spare chunks for the output of all connections
 * @param sendsInformational as Http1Connection has it
 */
export function http1(limits: Limits, pool: ChunkPool, sendsInformational: boolean): Protocol {
  return {
    alpn: "http/1.1",
    preface: null,
    connect: (host) => new Http1Connection(host, limits, pool, sendsInformational),
  };
}
