/** Bytes over TCP. */
import net from "node:net";
import tls from "node:tls";
import type { Channel } from "./http1_client.ts";
import { CutOff } from "./mode.ts";

function opened(host: string, port: number): Promise<net.Socket> {
  // Its own end stays open behind the server's: a server that waits for both must not hang on that.
  const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

export class TcpChannel implements Channel {
  readonly #socket: net.Socket;
  readonly #raw: net.Socket;
  #error: Error | null = null;
  #changed: (() => void)[] = [];

  static async connect(host: string, port: number): Promise<TcpChannel> {
    return new TcpChannel(await opened(host, port));
  }

  /** The same over TLS. @param ca the certificate that the server's must be, as PEM */
  static async connectSecurely(host: string, port: number, ca: string): Promise<TcpChannel> {
    const raw = await opened(host, port);
    const options = { socket: raw, ca, servername: "localhost", ALPNProtocols: ["http/1.1"], allowHalfOpen: true };
    const socket = tls.connect(options as tls.ConnectionOptions);
    const channel = new TcpChannel(socket, raw);
    // A connection that is closed before its handshake has ended is one that breaks.
    await new Promise<void>((resolve) => {
      for (const event of ["secureConnect", "error", "close"]) socket.once(event, () => resolve());
    });
    raw.on("error", () => {}); // the TLS connection reports it
    return channel;
  }

  /** @param raw the connection that carries a TLS connection */
  constructor(socket: net.Socket, raw: net.Socket = socket) {
    this.#socket = socket;
    this.#raw = raw;
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
    this.#raw.resetAndDestroy();
  }
}

/** The part of a connection of Deno's own that is used here. */
interface DenoConnection {
  handshake(): Promise<unknown>;
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

declare const Deno: {
  connectTls(options: {
    hostname: string;
    port: number;
    caCerts: string[];
    alpnProtocols: string[];
  }): Promise<DenoConnection>;
};

/**
 * Bytes over TLS on Deno's own sockets: Deno's `node:tls` reads on from a server when nobody reads from it. They cannot reset a connection.
 * So they are connected to a relay in this process, which can.
 */
export class DenoTlsChannel implements Channel {
  readonly #connection: DenoConnection;
  /** The relay's connection to the server. */
  readonly #upstream: net.Socket;
  #isClosed = false;
  #hasEnded = false;

  /** @param ca the certificate that the server's must be, as PEM */
  static async connectSecurely(host: string, port: number, ca: string): Promise<DenoTlsChannel> {
    const upstream = await opened(host, port);
    const relay = net.createServer({ allowHalfOpen: true, noDelay: true }, (downstream) => {
      relay.close();
      for (const [from, to] of [
        [downstream, upstream],
        [upstream, downstream],
      ] as const) {
        from.on("error", () => {}); // "close" follows
        from.on("close", () => void (from.readableEnded ? 0 : to.resetAndDestroy()));
        from.pipe(to);
      }
    });
    await new Promise<void>((resolve) => relay.listen(0, host, resolve));
    const relayed = (relay.address() as net.AddressInfo).port;
    const options = { hostname: host, port: relayed, caCerts: [ca], alpnProtocols: ["http/1.1"] };
    const connection = await Deno.connectTls(options);
    await connection.handshake().catch(() => {}); // a connection that is closed before its handshake has ended is one that breaks
    return new DenoTlsChannel(connection, upstream);
  }

  constructor(connection: DenoConnection, upstream: net.Socket) {
    this.#connection = connection;
    this.#upstream = upstream;
  }

  get address(): readonly [host: string, port: number] {
    return [this.#upstream.localAddress ?? "", this.#upstream.localPort ?? 0];
  }

  async send(bytes: Uint8Array): Promise<void> {
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
    } catch (error) {
      throw new CutOff(String(error));
    }
  }

  async receive(): Promise<Uint8Array | null> {
    const bytes = new Uint8Array(16 * 1024);
    try {
      const length = await this.#connection.read(bytes);
      return length === null ? null : bytes.subarray(0, length);
    } catch (error) {
      throw new CutOff(this.#isClosed ? "this side has left" : `the connection broke: ${String(error)}`);
    }
  }

  async end(): Promise<void> {
    if (this.#isClosed || this.#hasEnded) return;
    this.#hasEnded = true;
    await this.#connection.closeWrite().catch(() => {});
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#upstream.resetAndDestroy();
    this.#connection.close();
  }
}
