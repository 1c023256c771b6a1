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
 * @param fields what each final response has besides its own fields
 */
export function http1(limits: Limits, sendsInformational: boolean, fields: readonly Field[] = []): Protocol {
  const ownLines = encode(fields.map(({ name, value }) => `${name}: ${value}\r\n`).join(""));
  const settings: Http1Settings = { limits, pool: new ChunkPool(), sendsInformational, ownLines };
  return { alpn: "http/1.1", preface: null, connect: (host) => new Http1Connection(host, settings) };
}
