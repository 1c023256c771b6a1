/** Clients that ask again and again, and count what becomes of it while servers stop. */
import assert from "node:assert/strict";
import net from "node:net";
import { ResponseOracle } from "../support/response_oracle.ts";
import { until } from "./support.ts";

/** What a client does behind a response that says `Connection: close`. */
export type AfterClose = "stops" | "reconnects";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

export class LoadClients {
  /** Connections that stood. */
  connected = 0;
  /** Requests that got a response. */
  responded = 0;
  /** Requests that were sent, and for which the connection ended without a response. */
  lost = 0;
  /** Connections that were refused, or reset before they stood: nothing was sent on them. */
  refused = 0;
  readonly #port: number;
  readonly #afterClose: AfterClose;
  #over = false;
  readonly #clients: Promise<void>[];

  /**
   * @param port where they connect, on 127.0.0.1
   * @param persists whether a client tries again when it was refused
   */
  constructor(port: number, count: number, afterClose: AfterClose, persists = false) {
    this.#port = port;
    this.#afterClose = afterClose;
    this.#clients = Array.from({ length: count }, () => this.#run(persists));
  }

  /** Waits until so many requests have been given. */
  async reach(responded: number): Promise<void> {
    await until(() => this.responded >= responded, `${responded} responses`, 30_000);
  }

  /** Lets each client stop behind its present request. */
  stop(): void {
    this.#over = true;
  }

  /** Waits until all clients have stopped. */
  async ended(): Promise<void> {
    await Promise.all(this.#clients);
  }

  async #run(persists: boolean): Promise<void> {
    while (!this.#over) {
      const end = await this.#connection();
      if (end === "close" && this.#afterClose === "stops") return;
      if (end === "refused" && !persists) return;
      if (end === "refused") await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** One connection, and request by request on it. @returns what has ended it */
  #connection(): Promise<"close" | "lost" | "refused"> {
    return new Promise((resolve) => {
      const socket = net.connect(this.#port, "127.0.0.1").setNoDelay(true);
      const oracle = new ResponseOracle();
      let head: ReturnType<ResponseOracle["readHead"]> = null;
      let isConnected = false;
      let waits = false;
      const ask = (): void => {
        waits = true;
        socket.write(GET);
      };
      socket.on("connect", () => {
        isConnected = true;
        this.connected++;
        ask();
      });
      socket.on("data", (data: Buffer) => {
        // What it throws ends the test.
        oracle.feed(data);
        head ??= oracle.readHead("GET");
        if (head === null) return;
        assert.equal(head.status, 200);
        while (oracle.readContent() !== null);
        if (!oracle.isWhole) return;
        assert.equal(oracle.rest.length, 0, "a request gets one response");
        const { closes } = head;
        head = null;
        waits = false;
        this.responded++;
        if (!this.#over && !closes) return ask();
        resolve("close");
        socket.end();
      });
      socket.on("error", () => {}); // "close" follows
      socket.on("close", () => {
        if (!isConnected) this.refused++;
        else if (waits) this.lost++;
        resolve(isConnected ? "lost" : "refused");
      });
    });
  }
}
