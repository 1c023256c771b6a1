/** Many conversations at once, in small pieces: what wakes a thread, or the event loop, is never lost. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { ThreadingHTTPServer } from "plinth";
import { EchoHandler } from "./echo_handler.ts";
import { runs } from "../support/thorough.ts";

const METHODS = ["ITERATE", "STREAM", "BLOCK"];
const TALKERS = 24;
const CONVERSATIONS = runs(1_500, 300);
const PATIENCE = 10_000;

/** Reads up to a text. */
class Ear {
  #heard = "";
  readonly #socket: net.Socket;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => (this.#heard += bytes.toString("latin1")));
  }

  async hear(text: string, what: string): Promise<void> {
    while (!this.#heard.includes(text)) {
      await once(this.#socket, "data", { signal: AbortSignal.timeout(PATIENCE) }).catch(() => {
        throw new Error(`${what}: waited in vain for ${JSON.stringify(text)}`);
      });
    }
    this.#heard = this.#heard.slice(this.#heard.indexOf(text) + text.length);
  }
}

test("each piece is heard and said back, whoever waits for whom", async (t) => {
  const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], EchoHandler, {
    threads: { min: 2, max: TALKERS / 2 },
    threadBuffer: 0,
    log: "none",
  });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  let begun = 0;
  const talk = async (): Promise<void> => {
    for (let number = begun++; number < CONVERSATIONS; number = begun++) {
      const socket = net.connect({ host: "127.0.0.1", port: httpd.serverAddress[1], noDelay: true });
      const ear = new Ear(socket);
      const method = METHODS[number % METHODS.length];
      socket.write(`${method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
      await ear.hear("\r\n\r\n", `${method}, the head`);
      for (let i = 0; i <= number % 5; i++) {
        const piece = `${number}/${i}`;
        socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
        await ear.hear(`${piece}\r\n`, `${method}, piece ${i}`);
      }
      socket.write("0\r\n\r\n");
      await ear.hear("0\r\n\r\n", `${method}, the end`);
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: TALKERS }, talk));
  assert.equal(httpd.stats().done, CONVERSATIONS);
  assert.equal(httpd.stats().failed, 0);
});
