/** Where a server listens: the check of an address, and the words for one that cannot be had. */
import { quote } from "../quote_value.ts";
import type { ListenAddress } from "../transport/transport.ts";

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

const NO_SOCKET = "it is not an open socket that connections can be accepted on";
/** The same for a file descriptor; most of what it should not be is an invalid argument for all runtimes. */
const DESCRIPTOR_ERRORS: Record<string, string> = { EINVAL: NO_SOCKET, EBADF: NO_SOCKET, ENOTSOCK: NO_SOCKET };

/** What is thrown when an address cannot be had: in words, with the system's `code`. */
export function listenError(address: ListenAddress, cause: NodeJS.ErrnoException): NodeJS.ErrnoException {
  const { code } = cause;
  const known = typeof address === "object" && "fd" in address ? DESCRIPTOR_ERRORS : LISTEN_ERRORS;
  let why = (code !== undefined && known[code]) || cause.message;
  // Node reports EACCES for a folder that does not exist as well.
  if (typeof address === "string" && code === "EACCES") why += ", or there is no such folder";
  return Object.assign(new Error(`cannot listen on ${showAddress(address)}: ${why}`, { cause }), { code });
}

/** @throws {TypeError} for what is no address */
export function checkAddress(address: ListenAddress): ListenAddress {
  if (typeof address === "string") {
    // A string without a slash is usually a host name passed by mistake.
    if (!/[/\\\0]/.test(address)) {
      throw new TypeError(
        `cannot take ${quote(address)} as an address: a host is [host, port], and the path of a Unix socket has a slash, as in ./plinth.sock`,
      );
    }
    return address;
  }
  if (typeof address === "object" && address !== null && "fd" in address) {
    const { fd } = address;
    if (!Number.isInteger(fd) || fd < 0)
      throw new TypeError(`the file descriptor of a socket is a whole number, 0 or more, not ${quote(fd)}`);
    return { fd };
  }
  const [host, port] = Array.isArray(address) ? (address as unknown[]) : [];
  if (typeof host !== "string" || !Number.isInteger(port) || (port as number) < 0 || (port as number) > 65535) {
    throw new TypeError(
      `a server address is [host, port], the port from 0 to 65535, the path of a Unix socket, or { fd }, not ${JSON.stringify(address)}`,
    );
  }
  return [host, port as number];
}

/** An address as people write it. */
function showAddress(address: ListenAddress): string {
  if (typeof address === "string") return address;
  if ("fd" in address) return `file descriptor ${address.fd}`;
  const [host, port] = address;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
