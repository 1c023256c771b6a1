/** HTTP/1, for the protocol selector of a server. */
import { encode } from "../bytes.ts";
import type { Field } from "../fields.ts";
import type { Limits } from "../limits.ts";
import type { Protocol } from "../protocol_selector.ts";
import { ChunkPool } from "../send_buffer.ts";
import type { Http1Settings } from "./settings.ts";
import { Http1Connection } from "./connection.ts";

/**
 * Makes the entry of HTTP/1.0 and HTTP/1.1 for a ProtocolSelector.
 * @param sendsInformational see Http1Settings
 * @param fields the fields that each final response has, unless it has one of that name itself
 */
export function http1(limits: Limits, sendsInformational: boolean, fields: readonly Field[] = []): Protocol {
  const ownLines = fields.map(({ name, value }) => ({
    name: name.toLowerCase(),
    bytes: encode(`${name}: ${value}\r\n`),
  }));
  const settings: Http1Settings = { limits, pool: new ChunkPool(), sendsInformational, ownLines };
  return { alpn: "http/1.1", preface: null, connect: (host) => new Http1Connection(host, settings) };
}
