/** TCP and Unix sockets on Node's `net`. */
import net from "node:net";
import process from "node:process";
import type { ConnectionInfo } from "../protocol/exchange.ts";
import type { ListenAddress, Listener, ListenOptions, Socket, SocketHandler, Transport } from "./transport.ts";
import { readDescriptors } from "./descriptor_limit.ts";
import { peerOf } from "./peer.ts";
import { overLitter } from "./unix.ts";

/** How much one read may bring. */
const READ_SIZE = 64 * 1024;

/**
 * How much one write gives to what does not tell how far it has come. Less costs more system calls: a MiB takes half as much CPU time
 * again as it does in one write.
 */
const SLICE = 256 * 1024;

export interface NodeTransportOptions {
  /**
   * Read all connections into one buffer, and write past the stream that Node puts around a connection. It saves an allocation
   * and a stream's bookkeeping each way, a fifth of the cost of a small request, but needs ways into Node that are not documented;
   * where those are not as expected, or with false, reads come as "data" events, and writes are the stream's. Default true.
   */
  readonly direct?: boolean;
  /** The ways into another runtime that has Node's `net`. Default: Node's. */
  readonly ways?: Ways;
}

/** What is known of a runtime that is not documented. */
export interface Ways {
  /**
   * A listening handle tells of a connection.
   * @param client its handle, where the runtime gives it
   * @returns its handle; undefined where there is none to be had so
   */
  accept(listening: ListenHandle, client: ClientHandle | undefined): ClientHandle | undefined;
  /** A handle has begun to listen. @returns what is to be called when it stops */
  listening?(handle: ListenHandle, backlog: number): () => void;
  /**
   * How to write to a handle past its stream, learnt from a write of the stream's.
   * @param request what the runtime has given with it
   * @returns null where that is not what is known here
   */
  writeLike(request: WriteRequest | null): Write | null;
}

/** Makes a transport on Node's `net`. */
export function nodeTransport({ direct = true, ways = ofNode }: NodeTransportOptions = {}): Transport {
  return {
    listen: overLitter((address, options, accept) => listenOn(address, options, accept, direct ? ways : null)),

    endOfTurn(task) {
      setImmediate(task);
    },

    descriptors: readDescriptors,
  };
}

type Accept = (socket: Socket) => SocketHandler;

/** Nodes before 22.12, and 23.0, take the option `reusePort` for nothing. */
const [major, minor] = process.versions.node.split(".").map(Number);
const canSharePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

function listenOn(
  address: ListenAddress,
  options: ListenOptions,
  accept: Accept,
  ways: Ways | null,
): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const wrapped = new NodeSocket(socket);
    const handler = accept(wrapped);
    socket.on("data", (bytes: Buffer) => handler.onData(bytes, bytes.length));
    wrapped.attach(handler);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const ready = () => {
      server.removeListener("error", reject);
      server.on("error", options.onError);
      const stop = ways === null ? undefined : goDirect(server, accept, ways, options.backlog);
      const bound = server.address();
      resolve({
        address: bound === null || typeof bound === "string" ? (bound ?? "") : [bound.address, bound.port],
        look,
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
    // Python's "" is every address; so is leaving the host out here.
    server.listen({ ...(host === "" ? {} : { host }), port, backlog, ...(reusePort ? { reusePort } : {}) }, ready);
  });
}

/** Node accepts one connection in each turn of its event loop; the turn that has begun may have done so already. */
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
   * Gives the kernel what it takes at once. The rest follows, and then a request's `oncomplete` is called.
   * @param request for the case that there is a rest; null where Node makes it
   * @returns 0; an error's number; where Node makes the request, that
   */
  writeBuffer?: (request: WriteRequest | null, bytes: Uint8Array) => number | WriteRequest | undefined;
  /** How many bytes the kernel has not taken yet; undefined where the runtime does not tell. */
  readonly writeQueueSize?: number;
}

/** A write of which the kernel has not taken all at once. */
export interface WriteRequest {
  /** -1 while there is no such write; in Node. */
  getAsyncId(): number;
  oncomplete: (this: WriteRequest, status: number) => void;
  /** For us: whose it is, and what must stay as it is until then. */
  socket: NodeSocket;
  bytes: Uint8Array;
}

/**
 * Takes accepted connections from the listening handle itself, and makes sockets of them that are read into one buffer:
 * `net` has that for clients (its option `onread`), but not for servers.
 * @returns what is to be called when it stops to listen
 */
function goDirect(server: net.Server, accept: Accept, ways: Ways, backlog: number): (() => void) | undefined {
  const handle = (server as { _handle?: ListenHandle | null })._handle;
  const usual = handle?.onconnection;
  if (handle === undefined || handle === null || typeof usual !== "function") return undefined;
  const buffer = Buffer.allocUnsafeSlow(READ_SIZE);
  handle.onconnection = function (this: ListenHandle, status, given) {
    const client = status === 0 ? ways.accept(this, given) : undefined;
    if (typeof client?.useUserBuffer !== "function") return usual.call(this, status, given);
    const onread = {
      buffer,
      callback(length: number): boolean {
        handler.onData(buffer, length); // nothing is read before this turn is over
        return true;
      },
    };
    const socket = new net.Socket({
      handle: client,
      allowHalfOpen: true,
      onread,
    } as unknown as net.SocketConstructorOpts);
    client.setNoDelay?.(true);
    const wrapped = new NodeSocket(socket, client, ways);
    const handler = accept(wrapped);
    wrapped.attach(handler);
  };
  return ways.listening?.(handle, backlog);
}

/** Writes to a handle past its stream. @returns 0 when all is taken, the request that does the rest, or else an error's number */
export type Write = (handle: ClientHandle, bytes: Uint8Array) => number | WriteRequest | undefined;

/** Undefined until the runtime was seen to write; null where it does that in a way that is not known here. */
let writeToHandle: Write | null | undefined;

/** Looks at how the stream writes to a handle, which it is about to do. */
function watchWrite(handle: ClientHandle, ways: Ways): void {
  handle.writeBuffer = function (this: ClientHandle, request, bytes) {
    delete this.writeBuffer; // its class has its own
    writeToHandle = ways.writeLike(request);
    return this.writeBuffer!(request, bytes);
  };
}

/** Node makes a request only where there is a rest, or takes one of a class that it keeps to itself. */
const ofNode: Ways = {
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
      if (error !== 0 || spare.getAsyncId() < 0) return error; // it has not been touched, and can be used again
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
  /** Where to write past the stream; null where that is not to be. */
  readonly #handle: ClientHandle | null;
  readonly #ways: Ways | null;
  #handler!: SocketHandler;
  /** What was given to the stream last has not been taken yet. */
  #blocked = false;
  /** What is to be given next, of a write that is given in slices, and how much that is. */
  #rest: Uint8Array | null = null;
  #restLength = 0;
  /** Not Node's "drain", which comes only when more than its own mark has been waiting, and may never come for less. */
  readonly #written = (error?: Error | null): void => {
    // Of a socket that is gone, Node calls back without an error too.
    if (!this.#blocked || error || this.#socket.destroyed || this.#socket.writableLength > 0) return;
    this.#blocked = false;
    this.#taken();
  };

  constructor(socket: net.Socket, handle: ClientHandle | null = null, ways: Ways | null = null) {
    this.#socket = socket;
    this.#ways = ways;
    this.#handle = typeof handle?.writeBuffer === "function" ? handle : null;
    this.info = { clientAddress: peerOf(socket.remoteAddress, socket.remotePort), alpn: null };
  }

  attach(handler: SocketHandler): void {
    const socket = this.#socket;
    this.#handler = handler;
    socket.on("end", () => handler.onEnd());
    socket.on("close", () => handler.onClose());
    socket.on("error", ignore); // "close" follows
  }

  write(bytes: Uint8Array): boolean {
    if (bytes.length <= SLICE || this.#handle?.writeQueueSize !== undefined) return this.#give(bytes);
    for (let at = 0; at < bytes.length; at += SLICE) {
      if (this.#give(bytes.subarray(at, at + SLICE))) continue;
      const rest = bytes.subarray(at + SLICE);
      this.#rest = rest.length > 0 ? rest : null;
      this.#restLength = rest.length;
      return false;
    }
    return true;
  }

  /** A handle calls in the context in which it was made. What a stream emits, it may emit in that of a handler that reads on. */
  get keepsContext(): boolean {
    return this.#handle !== null;
  }

  get waiting(): number {
    return this.#handle?.writeQueueSize ?? this.#restLength;
  }

  /** @returns as `write` does */
  #give(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    // Gone, or about to be: then "close" follows, and whoever went on until then might never let that turn come.
    if (!socket.writable) return socket.closed;
    const handle = this.#handle;
    if (handle !== null) {
      if (writeToHandle) return this.#writeDirectly(writeToHandle, handle, bytes);
      if (writeToHandle === undefined) watchWrite(handle, this.#ways!);
    }
    socket.write(bytes, this.#written);
    this.#blocked = socket.writableLength > 0; // otherwise the kernel has it all
    return !this.#blocked;
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

  /** What was given has been taken. */
  #taken(): void {
    const rest = this.#rest;
    const length = this.#restLength;
    this.#rest = null;
    this.#restLength = 0;
    if (rest === null) this.#handler.onDrain();
    // Its owner has transferred the memory elsewhere: what was announced cannot come any more.
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
      this.#socket.resetAndDestroy();
    } catch {
      this.#socket.destroy(); // only TCP has resets; Node throws for a Unix socket
    }
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

function ignore(): void {}
