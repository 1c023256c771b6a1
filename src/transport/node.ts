/** TCP and Unix sockets on Node's `net`. */
import net from "node:net";
import process from "node:process";
import type { ConnectionInfo } from "../protocol/exchange.ts";
import type {
  ListenAddress,
  Listener,
  ListenOptions,
  Socket,
  SocketHandler,
  TlsListenOptions,
  Transport,
} from "./transport.ts";
import { readDescriptors } from "./descriptor_limit.ts";
import { TlsAcceptor } from "./node_tls.ts";
import { readInto, startCarrier, stopCarrier, wasReset } from "./tls_socket.ts";
import { peerOf } from "./peer.ts";
import { removingDeadSockets } from "./unix.ts";

/** How many bytes one read may bring. */
const READ_SIZE = 64 * 1024;

/**
 * If a handle does not say how much the kernel has taken, writes are split into slices of this size, so that progress can be seen. Smaller
 * slices cost more system calls: 1 MiB in slices takes 1.5 times as much CPU time as in one write.
 */
const SLICE_SIZE = 256 * 1024;

export interface NodeTransportOptions {
  /**
   * Whether to read all connections into one buffer, and to write past the stream that Node puts around them. That saves an allocation
   * and the work of a stream each way, a fifth of the cost of a small request. It needs undocumented parts of Node. If these are not as
   * expected, or with false, reads come as "data" events, and writes go through the stream. Default true.
   */
  readonly direct?: boolean;
  /** The undocumented parts of another runtime that has Node's `net`. Default: Node's. */
  readonly internals?: NetInternals;
}

/** The undocumented parts of a runtime's `net` that this file uses. */
export interface NetInternals {
  /**
   * A connection has come to a listening handle.
   * @param client the connection's handle, if the runtime gives it
   * @returns the connection's handle; undefined if there is none
   */
  accept(listening: ListenHandle, client: ClientHandle | undefined): ClientHandle | undefined;
  /** A handle has begun to listen. @param handle null if it is not where it is expected @returns a function to call when it stops */
  listening?(handle: ListenHandle | null, backlog: number): () => void;
  /**
   * Finds out how to write to a handle past its stream, from a write of the stream.
   * @param request the request that the stream has passed to `writeBuffer`
   * @returns the way to write; null if the runtime's way is not known here
   */
  writeLike(request: WriteRequest | null): Write | null;
}

/** Makes a transport on Node's `net`. */
export function nodeTransport({ direct = true, internals = nodeInternals }: NodeTransportOptions = {}): Transport {
  return {
    listen: removingDeadSockets((address, options, accept) =>
      listenOn(address, options, accept, direct ? internals : null),
    ),

    endOfTurn(task) {
      setImmediate(task);
    },

    descriptors: readDescriptors,
  };
}

type Accept = (socket: Socket) => SocketHandler;

/** Node before 22.12, and 23.0, ignores the option `reusePort`. */
const [major, minor] = process.versions.node.split(".").map(Number);
const canSharePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

async function listenOn(
  address: ListenAddress,
  options: ListenOptions,
  accept: Accept,
  internals: NetInternals | null,
): Promise<Listener> {
  const acceptTls = options.tls && tlsAcceptor(options.tls, accept, internals);
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (acceptTls !== undefined) return acceptTls.connection(socket);
    const wrapped = new NodeSocket(socket, infoOf(socket));
    const handler = accept(wrapped);
    socket.on("data", (bytes: Buffer) => handler.onData(bytes, bytes.length));
    wrapped.attach(handler);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const ready = () => {
      server.removeListener("error", reject);
      server.on("error", options.onError);
      if (internals !== null && acceptTls === undefined) goDirect(server, accept, internals);
      const stop = internals?.listening?.(handleOf(server), options.backlog);
      const bound = server.address();
      resolve({
        address: bound === null || typeof bound === "string" ? (bound ?? "") : [bound.address, bound.port],
        look,
        ...(acceptTls === undefined ? {} : { setTls: (settings) => acceptTls.set(settings) }),
        close() {
          stop?.();
          server.close();
        },
      });
    };
    const { backlog, reusePort = false } = options;
    if (typeof address === "string") return void server.listen({ path: address, backlog }, ready);
    if ("fd" in address) return void server.listen({ fd: address.fd, backlog }, ready);
    if (reusePort && !canSharePort) {
      return reject(
        new Error(
          `a port cannot be shared on Node ${process.versions.node}: that takes Node 22.12 or newer, Bun or Deno`,
        ),
      );
    }
    const [host, port] = address;
    // "" means every address, as in Python. Node's `listen` takes every address if the host is left out.
    server.listen({ ...(host === "" ? {} : { host }), port, backlog, ...(reusePort ? { reusePort } : {}) }, ready);
  });
}

/** Node accepts one connection in each turn of its event loop. It may have done so already in the present turn, so this waits two turns. */
function look(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** The part of a listening handle, and of an accepted one, that is known here. */
export interface ListenHandle {
  onconnection?: (status: number, client?: ClientHandle) => void;
}
export interface ClientHandle {
  useUserBuffer?: unknown;
  setNoDelay?: (on: boolean) => void;
  /**
   * Gives the kernel the bytes that it takes at once. If it has not taken all, the others follow, and then the request's `oncomplete` is
   * called.
   * @param request the request to use then; null if Node makes one itself
   * @returns 0, an error's number, or the request that Node has made
   */
  writeBuffer?: (request: WriteRequest | null, bytes: Uint8Array) => number | WriteRequest | undefined;
  /** How many bytes the kernel has not taken yet; undefined if the runtime does not say. */
  readonly writeQueueSize?: number;
}

/** The request of a write of which the kernel has not taken all bytes at once. */
export interface WriteRequest {
  /** On Node, -1 while the request is not used by a write. */
  getAsyncId(): number;
  oncomplete: (this: WriteRequest, status: number) => void;
  /** Set by this file: the socket of the write, and its bytes, which must not be changed or freed before `oncomplete`. */
  socket: NodeSocket;
  bytes: Uint8Array;
}

function handleOf(server: net.Server): ListenHandle | null {
  return (server as { _handle?: ListenHandle | null })._handle ?? null;
}

/**
 * Takes accepted connections from the listening handle itself, and makes sockets of them that read into one shared buffer. `net` offers that
 * for clients, by its option `onread`, but not for servers.
 */
function goDirect(server: net.Server, accept: Accept, internals: NetInternals): void {
  const handle = handleOf(server);
  const original = handle?.onconnection;
  if (handle === null || typeof original !== "function") return;
  const buffer = Buffer.allocUnsafeSlow(READ_SIZE);
  handle.onconnection = function (this: ListenHandle, status, acceptedHandle) {
    const client = status === 0 ? internals.accept(this, acceptedHandle) : undefined;
    if (typeof client?.useUserBuffer !== "function") return original.call(this, status, acceptedHandle);
    const onread = {
      buffer,
      callback(length: number): boolean {
        handler.onData(buffer, length); // the buffer is not read into again before this returns
        return true;
      },
    };
    const socket = new net.Socket({
      handle: client,
      allowHalfOpen: true,
      onread,
    } as unknown as net.SocketConstructorOpts);
    client.setNoDelay?.(true);
    const wrapped = new NodeSocket(socket, infoOf(socket), null, client, internals);
    const handler = accept(wrapped);
    wrapped.attach(handler);
  };
}

function infoOf(socket: net.Socket): ConnectionInfo {
  return { clientAddress: peerOf(socket.remoteAddress, socket.remotePort), alpn: null, secure: null };
}

/** @param internals null: connections are not read into one buffer */
function tlsAcceptor(options: TlsListenOptions, accept: Accept, internals: NetInternals | null): TlsAcceptor {
  const buffer = internals === null ? null : Buffer.allocUnsafeSlow(READ_SIZE);
  return new TlsAcceptor(options, (socket, raw, info) => {
    const wrapped = new NodeSocket(socket, info, raw);
    const handler = accept(wrapped);
    if (buffer === null || !readInto(socket, buffer, handler))
      socket.on("data", (bytes: Buffer) => handler.onData(bytes, bytes.length));
    wrapped.attach(handler);
    socket.resume();
  });
}

/** Writes to a handle past its stream. @returns 0 if the kernel has taken all bytes; the request that sends the others; or an error's number */
export type Write = (handle: ClientHandle, bytes: Uint8Array) => number | WriteRequest | undefined;

/** How to write past the stream. Undefined before the first write of a stream was seen; null if the runtime's way is not known here. */
let writeToHandle: Write | null | undefined;

/** Watches how the stream writes to a handle in its next write, to learn how to write past it. */
function watchWrite(handle: ClientHandle, internals: NetInternals): void {
  handle.writeBuffer = function (this: ClientHandle, request, bytes) {
    delete this.writeBuffer; // uncovers the method of the class
    writeToHandle = internals.writeLike(request);
    return this.writeBuffer!(request, bytes);
  };
}

/** Some versions of Node make the request themselves, if the kernel has not taken all. Others take one, of a class that is not exported. */
const nodeInternals: NetInternals = {
  accept: (_listening, client) => client,

  writeLike(request) {
    if (request === null) {
      return (handle, bytes) => {
        const rest = handle.writeBuffer!(null, bytes);
        return typeof rest === "object" && rest.getAsyncId() < 0 ? -1 : rest;
      };
    }
    if (typeof request?.getAsyncId !== "function") return null;
    const Request = request.constructor as new () => WriteRequest;
    let spare = new Request();
    return (handle, bytes) => {
      const error = handle.writeBuffer!(spare, bytes);
      if (error !== 0 || spare.getAsyncId() < 0) return error; // the request was not used, and can be used again
      const busy = spare;
      spare = new Request();
      return busy;
    };
  },
};

export const transport: Transport = nodeTransport();

class NodeSocket implements Socket {
  readonly info: ConnectionInfo;
  readonly #socket: net.Socket;
  /** The TCP connection. */
  readonly #raw: net.Socket;
  /** The handle, to write past the stream; null if all writes go through the stream. */
  readonly #handle: ClientHandle | null;
  readonly #internals: NetInternals | null;
  #handler!: SocketHandler;
  /** The stream has not taken the last write whole. */
  #isBlocked = false;
  /** The slices of a write that are still to be written, and their length. */
  #nextSlices: Uint8Array | null = null;
  #nextLength = 0;
  /** Called when a write of the stream is complete. Node's "drain" cannot be used: it may not come if less than its high-water mark waits. */
  readonly #written = (error?: Error | null): void => {
    // For a socket that is gone, Node may call back without an error.
    if (!this.#isBlocked || error || this.#socket.destroyed || this.#socket.writableLength > 0) return;
    this.#isBlocked = false;
    this.#taken();
  };

  /**
   * @param raw the connection that carries a TLS connection; null without TLS
   * @param handle the handle, if reads and writes are to bypass the stream
   */
  constructor(
    socket: net.Socket,
    info: ConnectionInfo,
    raw: net.Socket | null = null,
    handle: ClientHandle | null = null,
    internals: NetInternals | null = null,
  ) {
    this.#socket = socket;
    this.info = info;
    this.#raw = raw ?? socket;
    this.#internals = internals;
    this.#handle = typeof handle?.writeBuffer === "function" ? handle : null;
  }

  attach(handler: SocketHandler): void {
    const socket = this.#socket;
    this.#handler = handler;
    socket.on("end", () => {
      if (this.#raw !== socket && wasReset(this.#raw)) socket.destroy();
      else handler.onEnd();
    });
    socket.on("close", () => handler.onClose());
    // "close" follows. TLS reports an error, such as a record that was changed on its way, and leaves the connection open.
    socket.on("error", () => void socket.destroy());
  }

  write(bytes: Uint8Array): boolean {
    if (bytes.length <= SLICE_SIZE || this.#handle?.writeQueueSize !== undefined) return this.#give(bytes);
    for (let at = 0; at < bytes.length; at += SLICE_SIZE) {
      if (this.#give(bytes.subarray(at, at + SLICE_SIZE))) continue;
      const rest = bytes.subarray(at + SLICE_SIZE);
      this.#nextSlices = rest.length > 0 ? rest : null;
      this.#nextLength = rest.length;
      return false;
    }
    return true;
  }

  /**
   * True if reads come from the handle, which calls in the context in which it was made. A stream may emit "data" in the context of a
   * handler whose read makes the stream go on.
   */
  get keepsContext(): boolean {
    return this.#handle !== null;
  }

  get waiting(): number {
    return this.#handle?.writeQueueSize ?? this.#nextLength;
  }

  /** Writes one slice. @returns the same as `write` */
  #give(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    // The socket is gone, or about to be. Before "close", false stops the writer: a loop that writes on might never let that turn come.
    if (!socket.writable) return socket.closed;
    const handle = this.#handle;
    if (handle !== null) {
      if (writeToHandle) return this.#writeDirectly(writeToHandle, handle, bytes);
      if (writeToHandle === undefined) watchWrite(handle, this.#internals!);
    }
    socket.write(bytes, this.#written);
    this.#isBlocked = socket.writableLength > 0; // 0: the kernel has taken all bytes
    return !this.#isBlocked;
  }

  #writeDirectly(write: Write, handle: ClientHandle, bytes: Uint8Array): boolean {
    const rest = write(handle, bytes);
    if (rest === 0) return true;
    if (typeof rest !== "object") {
      this.#socket.destroy(); // "close" follows
      return false;
    }
    rest.socket = this;
    rest.bytes = bytes;
    rest.oncomplete = NodeSocket.#completed;
    return false;
  }

  static #completed(this: WriteRequest, status: number): void {
    const { socket } = this;
    if (status !== 0) return void socket.#socket.destroy();
    if (!socket.#socket.destroyed) socket.#taken();
  }

  /** The last slice has been taken: writes the next ones, or reports that all bytes have been taken. */
  #taken(): void {
    const rest = this.#nextSlices;
    const length = this.#nextLength;
    this.#nextSlices = null;
    this.#nextLength = 0;
    if (rest === null) this.#handler.onDrain();
    // The owner has transferred the memory to another thread: the bytes that were announced cannot be sent any more.
    else if (rest.length < length) this.#socket.destroy();
    else if (this.write(rest)) this.#handler.onDrain();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  reset(): void {
    try {
      this.#raw.resetAndDestroy();
    } catch {
      this.#socket.destroy(); // only TCP has resets; Node throws for a Unix socket
    }
  }

  pause(): void {
    this.#socket.pause();
    if (this.#raw !== this.#socket) stopCarrier(this.#raw);
  }

  resume(): void {
    if (this.#raw !== this.#socket) startCarrier(this.#raw);
    this.#socket.resume();
  }
}
