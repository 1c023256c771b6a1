/** TCP and Unix sockets on Node's `net`. */
import { unlinkSync } from "node:fs";
import net from "node:net";
import type { Peer } from "../protocol/exchange.ts";
import type { Address, Listener, ListenOptions, Socket, SocketHandler, Transport } from "./transport.ts";

export const transport: Transport = {
  async listen(address, options, accept) {
    try {
      return await listen(address, options, accept);
    } catch (error) {
      // The file of a Unix socket outlives a server that was killed: when nobody answers behind it, it is litter.
      if (typeof address !== "string" || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      if (await answers(address)) throw error;
      unlinkSync(address);
      return listen(address, options, accept);
    }
  },

  endOfTurn(task) {
    setImmediate(task);
  },
};

function listen(address: Address, options: ListenOptions, accept: (socket: Socket) => SocketHandler): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const wrapped = new NodeSocket(socket);
    wrapped.attach(accept(wrapped));
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const ready = () => {
      server.removeListener("error", reject);
      server.on("error", options.onError);
      const bound = server.address();
      resolve({
        address: bound === null || typeof bound === "string" ? (bound ?? "") : [bound.address, bound.port],
        close: () => void server.close(),
      });
    };
    if (typeof address === "string") server.listen({ path: address, backlog: options.backlog }, ready);
    // Python's "" is every address; so is leaving the host out here.
    else server.listen({ ...(address[0] === "" ? {} : { host: address[0] }), port: address[1], backlog: options.backlog }, ready);
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}

class NodeSocket implements Socket {
  readonly peer: Peer;
  readonly #socket: net.Socket;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.peer = [socket.remoteAddress ?? "", socket.remotePort ?? 0];
  }

  attach(handler: SocketHandler): void {
    const socket = this.#socket;
    socket.on("data", (bytes: Buffer) => handler.onData(bytes));
    socket.on("end", () => handler.onEnd());
    socket.on("drain", () => handler.onDrain());
    socket.on("close", () => handler.onClose());
    socket.on("error", ignore); // "close" follows
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (!socket.writable) return true; // gone, or about to be: "close" follows
    socket.write(bytes);
    return socket.writableLength === 0; // then the kernel has it all
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

function ignore(): void {}
