/** The address that a server listens on: its check, and the error when the server cannot listen there. */
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
/** The same for a file descriptor. For most descriptors that are no listening socket, all runtimes report EINVAL. */
const DESCRIPTOR_ERRORS: Record<string, string> = { EINVAL: NO_SOCKET, EBADF: NO_SOCKET, ENOTSOCK: NO_SOCKET };

/** The error when a server cannot listen: its message says why in words, and its `code` is the system's. */
export function listenError(address: ListenAddress, cause: NodeJS.ErrnoException): NodeJS.ErrnoException {
  const { code } = cause;
  const known = typeof address === "object" && "fd" in address ? DESCRIPTOR_ERRORS : LISTEN_ERRORS;
  let why = (code !== undefined && known[code]) || cause.message;
  // Node also reports EACCES if the folder does not exist.
  if (typeof address === "string" && code === "EACCES") why += ", or there is no such folder";
  return Object.assign(new Error(`cannot listen on ${showAddress(address)}: ${why}`, { cause }), { code });
}

/** Checks and copies an address. @throws {TypeError} for anything that is not an address */
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
      throw new TypeError(
        `the fd of a server address is a file descriptor, a whole number from 0 on, not ${quote(fd)}`,
      );
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

/** An address as `[host, port]`: for the path of a Unix socket the path and 0, for an inherited socket "" and 0. */
export function hostAndPort(address: ListenAddress): readonly [host: string, port: number] {
  if (typeof address === "string") return [address, 0];
  return "fd" in address ? ["", 0] : address;
}

/** Formats an address, an IPv6 host in brackets. */
function showAddress(address: ListenAddress): string {
  if (typeof address === "string") return address;
  if ("fd" in address) return `file descriptor ${address.fd}`;
  const [host, port] = address;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
