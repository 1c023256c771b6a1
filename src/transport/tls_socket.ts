/** What a TLS connection of `node:tls` needs besides what one of `net` does. */
import type { Buffer } from "node:buffer";
import type net from "node:net";
import process from "node:process";
import type tls from "node:tls";
import type { SocketHandler } from "./transport.ts";

/** The members of a stream and its handle by which it reads into a buffer, if these are as expected. */
interface BufferedStream {
  [symbol: symbol]: unknown;
  _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null;
}

/**
 * Makes a stream read into a buffer, as the option `onread` does for clients of `net`. There is no such option for a server's TLS connections,
 * but the members that it sets are there.
 * @returns whether they are as expected
 */
export function readInto(socket: tls.TLSSocket, buffer: Buffer, handler: SocketHandler): boolean {
  const stream = socket as unknown as BufferedStream;
  const symbols = Object.getOwnPropertySymbols(stream);
  const own = symbols.find(({ description }) => description === "kBuffer");
  const called = symbols.find(({ description }) => description === "kBufferCb");
  const handle = stream._handle;
  if (own === undefined || called === undefined || typeof handle?.useUserBuffer !== "function") return false;
  stream[own] = buffer;
  stream[called] = (length: number): boolean => {
    handler.onData(buffer, length); // the buffer is not read into again before this returns
    return true;
  };
  handle.useUserBuffer(buffer);
  return true;
}

/** The handle of the connection that carries a TLS connection. */
interface CarrierHandle {
  readStop?(): void;
  readStart?(): void;
  /** @returns 0, or an error's number */
  getpeername?(to: object): number;
}

function handleOf(raw: net.Socket): CarrierHandle | null | undefined {
  return (raw as { _handle?: CarrierHandle | null })._handle;
}

const IS_DENO = "deno" in process.versions;

/** Its TLS connection was paused. On Deno, that reads on from the connection that carries it, and keeps all that comes. */
export function stopCarrier(raw: net.Socket): void {
  if (IS_DENO) handleOf(raw)?.readStop?.();
}

/** Its TLS connection reads on. */
export function startCarrier(raw: net.Socket): void {
  if (IS_DENO) handleOf(raw)?.readStart?.();
}

/**
 * Whether a TLS connection has ended because its client has reset it. Node says so. On Deno, it looks as if the client had ended its side
 * only, but the system no longer knows the peer.
 */
export function wasReset(raw: net.Socket): boolean {
  return IS_DENO && (handleOf(raw)?.getpeername?.({}) ?? 0) !== 0;
}
