/** Bytes over TCP. */
import net from "node:net";
import type { Channel } from "./http1_client.ts";
import { CutOff } from "./mode.ts";

export class TcpChannel implements Channel {
  readonly #socket: net.Socket;
  #error: Error | null = null;
  #changed: (() => void)[] = [];

  static connect(host: string, port: number): Promise<TcpChannel> {
    // Its own end stays open behind the server's: a server that waits for both must not hang on that.
    const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new TcpChannel(socket));
      });
    });
  }

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on("error", (error) => (this.#error = error));
    for (const event of ["readable", "end", "close"]) {
      socket.on(event, () => {
        for (const resolve of this.#changed.splice(0)) resolve();
      });
    }
  }

  get address(): readonly [host: string, port: number] {
    return [this.#socket.localAddress ?? "", this.#socket.localPort ?? 0];
  }

  send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(new CutOff(error.message)) : resolve()));
    });
  }

  async receive(): Promise<Uint8Array | null> {
    const socket = this.#socket;
    for (;;) {
      const bytes = socket.read() as Buffer | null;
      if (bytes !== null) return bytes;
      if (this.#error !== null) throw new CutOff(`the connection broke: ${this.#error.message}`);
      if (socket.readableEnded) return null;
      if (socket.destroyed) throw new CutOff("this side has left");
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  async end(): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed) return;
    await new Promise<void>((resolve) => {
      socket.once("close", resolve); // it may break, and never finish
      socket.end(resolve);
    });
  }

  destroy(): void {
    // A close without a reset is an end of this side like any, until something is sent to it.
    this.#socket.resetAndDestroy();
  }
}
