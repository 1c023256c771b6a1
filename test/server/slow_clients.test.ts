/** Clients that read slowly, or send slowly what nobody wants: they get their response, however long that takes. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Address, HTTPServer, type HTTPServerOptions, ThreadingHTTPServer, type Transport } from "plinth";
import { denoTransport } from "../../src/transport/deno.ts";
import { nodeTransport } from "../../src/transport/node.ts";
import { runtime } from "../support/runtime.ts";
import { Slow } from "../handler/slow_handlers.ts";
import { connect, type SocketClient, until } from "./support.ts";

/** How a server is reached, and where its handlers run. */
interface Mode {
  readonly name: string;
  readonly inThreads?: boolean;
  readonly onUnixSocket?: boolean;
  readonly transport?: Transport;
}

const modes: readonly Mode[] = [
  { name: "on the event loop" },
  { name: "in threads", inThreads: true },
  { name: "on a Unix socket", onUnixSocket: true },
  ...(runtime === "bun"
    ? []
    : [
        {
          name: "through the streams of net",
          transport: (runtime === "deno" ? denoTransport : nodeTransport)({ direct: false }),
        },
      ]),
];

interface Served {
  /** Lines of the log, and when they came. */
  readonly log: { readonly line: string; readonly at: number }[];
  connect(): Promise<SocketClient>;
}

async function serve(t: TestContext, mode: Mode, options: HTTPServerOptions = {}): Promise<Served> {
  const log: Served["log"] = [];
  const { transport } = mode;
  const all = {
    ...options,
    ...(transport === undefined ? {} : { transport }),
    log: (line: string) => void log.push({ line, at: performance.now() }),
  };
  let address: Address = ["127.0.0.1", 0];
  if (mode.onUnixSocket === true) {
    const folder = mkdtempSync(path.join(tmpdir(), "plinth-"));
    t.after(() => rmSync(folder, { recursive: true }));
    address = path.join(folder, "socket");
  }
  const httpd =
    mode.inThreads === true
      ? new ThreadingHTTPServer(address, Slow, { ...all, threads: 2 })
      : new HTTPServer(address, Slow, all);
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  return { log, connect: () => connect(t, typeof address === "string" ? address : httpd.serverAddress) };
}

/** Reads no faster than it should, in pieces as they come. */
class SlowReader {
  /** How much has come. */
  got = 0;
  /** Bytes in a millisecond; 0: nothing is read any more. */
  rate: number;

  constructor(peer: SocketClient, rate: number) {
    this.rate = rate;
    peer.socket.removeAllListeners("data").on("data", (bytes: Buffer) => {
      this.got += bytes.length;
      if (this.rate === Infinity) return;
      peer.socket.pause();
      if (this.rate > 0) setTimeout(() => peer.socket.resume(), bytes.length / this.rate);
    });
  }
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;

/** Runs something in all modes at the same time: it waits most of the time. */
async function inModes(run: (mode: Mode) => Promise<void>): Promise<void> {
  const failures: Error[] = [];
  const tried = modes.map((mode) =>
    run(mode).catch((cause: Error) => failures.push(new Error(`${mode.name}: ${cause.message}`, { cause }))),
  );
  await Promise.all(tried);
  if (failures.length > 0)
    throw failures.length === 1 ? failures[0] : new AggregateError(failures, failures.join("\n"));
}

describe("a client that reads slowly", { concurrency: 4 }, () => {
  test("has all of a large response though that takes longer than sendTimeout", (t) =>
    inModes(async (mode) => {
      const served = await serve(t, mode, { sendTimeout: 2_000 });
      const read = async (how: string): Promise<void> => {
        const size = 8_000_000;
        const peer = await served.connect();
        const reader = new SlowReader(peer, 2_000);
        await peer.send(get(`/${how}/${size}`));
        await until(() => peer.ended || peer.closed, "the end of the response", 60_000);
        assert.ok(reader.got > size, `${how}: ${reader.got} bytes`);
        assert.equal(peer.error, undefined);
      };
      await Promise.all(["text", "bytes", "pieces"].map(read));
    }));

  test("and stops is cut, sendTimeout later", (t) =>
    inModes(async (mode) => {
      const served = await serve(t, mode, { sendTimeout: 1_500 });
      const peer = await served.connect();
      const reader = new SlowReader(peer, 6_000);
      await peer.send(get("/pieces/100000000"));
      await until(() => reader.got > 1_000_000, "the first of the response");
      reader.rate = 0;
      const stopped = performance.now();
      const gone = () => served.log.find(({ line }) => line.endsWith("gone"));
      await until(() => gone() !== undefined, "the end of the connection", 20_000);
      const took = gone()!.at - stopped;
      assert.ok(took > 1_200 && took < 6_000, `${took} ms`);
    }));

  // The kernel has taken more than a MiB and takes no more for five seconds, in which the client reads.
  test(
    "too slowly for the kernel to take more in time, is seen to read where the kernel says so",
    { skip: process.platform !== "linux" && "only Linux says how much a connection's send queue holds" },
    async (t) => {
      const peer = await (await serve(t, modes[0], { sendTimeout: 2_500 })).connect();
      const reader = new SlowReader(peer, 320);
      await peer.send(get("/bytes/7000000"));
      await sleep(8_000);
      assert.ok(!peer.ended && !peer.closed);
      reader.rate = Infinity;
      await until(() => peer.ended || peer.closed, "the end of the response", 60_000);
      assert.ok(reader.got > 7_000_000, `${reader.got} bytes`);
    },
  );

  test("has what the kernel holds though the server is through with the connection", (t) =>
    inModes(async (mode) => {
      const size = mode.onUnixSocket === true ? 100_000 : 1_500_000;
      const served = await serve(t, mode, { lingerTimeout: 200, sendTimeout: 1_000 });
      const peer = await served.connect();
      const reader = new SlowReader(peer, 4_000);
      peer.socket.pause();
      await peer.send(get(`/bytes/${size}`));
      await sleep(3_000);
      assert.equal(reader.got, 0);
      peer.socket.resume();
      await until(() => peer.ended || peer.closed, "the end of the response", 20_000);
      assert.ok(reader.got > size, `${reader.got} bytes`);
      assert.equal(peer.error, undefined);
    }));
});

/** Sends a text in pieces, one every tenth of a second, until the server has closed. */
async function sendSlowly(peer: SocketClient, text: string, pieces: number): Promise<void> {
  const length = Math.ceil(text.length / pieces);
  for (let at = 0; at < text.length && !peer.closed; at += length) {
    await peer.send(text.slice(at, at + length));
    await sleep(100);
  }
}

const announced = (method: string, length: number): string =>
  `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${"x".repeat(length)}`;

const chunked = (method: string, length: number): string =>
  `${method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n` +
  `3e8\r\n${"x".repeat(1_000)}\r\n`.repeat(length / 1_000) +
  "0\r\n\r\n";

describe("a client that sends slowly, and reads when it has sent all", { concurrency: 4 }, () => {
  const messages = {
    "announced content past maxBodySize": [announced("PUT", 200_000), 413],
    "chunks past maxBodySize": [chunked("PUT", 200_000), 413],
    "announced content that its handler does not read": [announced("POST", 90_000), 401],
    "chunks that its handler does not read": [chunked("POST", 90_000), 401],
  } as const;

  test("has its refusal", (t) =>
    inModes(async (mode) => {
      const served = await serve(t, mode, { maxBodySize: 100_000 });
      const send = async ([what, [text, status]]: [string, readonly [string, number]]): Promise<void> => {
        const peer = await served.connect();
        peer.socket.pause();
        await sendSlowly(peer, text, 40);
        peer.socket.resume();
        const [response] = await peer.responses(1);
        assert.deepEqual([response.status, peer.error], [status, undefined], what);
        if (response.get("connection") === "close") await peer.endOfConnection();
        await peer.end();
        await until(() => peer.closed, "the end of the connection");
        assert.equal(peer.error, undefined, what);
      };
      await Promise.all(Object.entries(messages).map(send));
    }));

  test("keeps its connection where the response did not say close", (t) =>
    inModes(async (mode) => {
      const peer = await (await serve(t, mode)).connect();
      await sendSlowly(peer, announced("POST", 60_000), 35);
      const refusal = await peer.response();
      assert.deepEqual([refusal.status, refusal.get("connection")], [401, null]);
      assert.equal((await peer.ask(announced("PUT", 5))).body, "5");
    }));
});

describe("behind its end, a connection", { concurrency: 4 }, () => {
  test("lasts while its client sends, for maxLingerTime in all", (t) =>
    inModes(async (mode) => {
      const peer = await (await serve(t, mode, { lingerTimeout: 600, maxLingerTime: 2_500 })).connect();
      await peer.ask(get("/text/5"));
      await peer.endOfConnection();
      const ended = performance.now();
      while (!peer.closed && performance.now() - ended < 20_000) {
        peer.socket.write("x");
        await sleep(50);
      }
      const life = performance.now() - ended;
      assert.ok(life > 2_000 && life < 6_000, `${life} ms`);
    }));

  test("is gone when its client has been silent for lingerTimeout", (t) =>
    inModes(async (mode) => {
      const peer = await (await serve(t, mode, { lingerTimeout: 500, maxLingerTime: 60_000 })).connect();
      await peer.ask(get("/text/5"));
      await peer.endOfConnection();
      await sleep(2_000);
      // A client only notices when it writes.
      await until(() => (peer.closed || peer.socket.write("x"), peer.closed), "the end of the connection", 2_000);
    }));
});
