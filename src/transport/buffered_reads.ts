/** Reads a TLS connection of Node's into a buffer that all connections share. */
import type { Buffer } from "node:buffer";
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
