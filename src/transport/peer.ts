/** The client's address, in the same form on each runtime. */
import { isIPv4 } from "node:net";
import type { Peer } from "../protocol/exchange.ts";

/** The prefix of an IPv4 client's address on a socket that takes IPv6 as well (RFC 4291 §2.5.5.2). */
const MAPPED = "::ffff:";

/**
 * Makes the client's address.
 * @param host the address that the runtime gives; undefined or "" for a Unix socket, and for a client that had gone when it was accepted
 * @returns the address, an IPv4 address without the prefix
 */
export function peerOf(host: string | undefined, port: number | undefined): Peer {
  if (!host) return ["", 0];
  const rest = host.startsWith(MAPPED) ? host.slice(MAPPED.length) : "";
  return [isIPv4(rest) ? rest : host, port ?? 0];
}
