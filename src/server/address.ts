/** Where a server listens: the check of an address, and the words for one that cannot be had. */
import type { Address } from "../transport/transport.ts";

const LISTEN_ERRORS: Record<string, string> = {
  EADDRINUSE: "the address is in use already",
  EINVAL: "it is not an address to listen on",
  EADDRNOTAVAIL: "the address is not one of this machine's",
  EACCES: "permission denied",
  ENOENT: "there is no such folder",
  ENOTDIR: "a part of the path is no folder",
  EROFS: "the file system can only be read",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the host's name cannot be looked up",
};

/** What is thrown when an address cannot be had: in words, with the system's `code`. */
export function listenError(address: Address, cause: NodeJS.ErrnoException): NodeJS.ErrnoException {
  const { code } = cause;
  let why = (code !== undefined && LISTEN_ERRORS[code]) || cause.message;
  // Node reports EACCES for a folder that does not exist as well.
  if (typeof address === "string" && code === "EACCES") why += ", or there is no such folder";
  return Object.assign(new Error(`cannot listen on ${showAddress(address)}: ${why}`, { cause }), { code });
}

/** @throws {TypeError} for what is no address */
export function checkAddress(address: Address): Address {
  if (typeof address === "string") {
    // A string without a slash is usually a host name passed by mistake.
    if (!/[/\\\0]/.test(address)) {
      throw new TypeError(
        `the path of a Unix socket has a slash in it, such as ./plinth.sock, and ${JSON.stringify(address)} has none; of a host it is [host, port]`,
      );
    }
    return address;
  }
  const [host, port] = Array.isArray(address) ? (address as unknown[]) : [];
  if (typeof host !== "string" || !Number.isInteger(port) || (port as number) < 0 || (port as number) > 65535) {
    throw new TypeError(
      `a server address is [host, port], the port from 0 to 65535, or the path of a Unix socket, not ${JSON.stringify(address)}`,
    );
  }
  return [host, port as number];
}

/** An address as people write it. */
function showAddress(address: Address): string {
  if (typeof address === "string") return address;
  const [host, port] = address;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
