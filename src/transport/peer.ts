/** The address of a connection's other end, the same on each runtime. */
import { isIPv4 } from "node:net";
import type { Peer } from "../protocol/exchange.ts";

/** What the address of an IPv4 client begins with on a socket that takes IPv6 as well (RFC 4291 §2.5.5.2). */
const MAPPED = "::ffff:";

/**
 * @param host what the runtime says; undefined or "" behind a Unix socket, and for a client that was gone when it was accepted
 * @returns an IPv4 address as such, however it came
 */
export function peerOf(host: string | undefined, port: number | undefined): Peer {
  if (!host) return ["", 0];
  const rest = host.startsWith(MAPPED) ? host.slice(MAPPED.length) : "";
  return [isIPv4(rest) ? rest : host, port ?? 0];
}
