/** What transport.ts promises, on the sockets of the runtime that runs this: on its own, past Node's streams, and through those. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { describe, test } from "node:test";
import { nodeTransport } from "../../src/transport/node.ts";
import { programFile } from "../support/places.ts";
import { runtime, sharesPorts, testOn } from "../support/runtime.ts";
import type { Address, Listener, Socket, SocketHandler, Transport } from "../../src/transport/transport.ts";

/** Responses each thing it hears of with what `on` does, and notes it. */
class Recorder implements SocketHandler {
  readonly events: string[] = [];
  /** The memory that each read came in. */
  readonly memory: ArrayBufferLike[] = [];
  received = 0;
  /** It is being told of bytes. */
  isTold = false;
  readonly closed: Promise<void>;
  #closed!: () => void;
  readonly socket: Socket;
  readonly #onData: (socket: Socket, bytes: Uint8Array) => void;

  constructor(socket: Socket, onData: (socket: Socket, bytes: Uint8Array) => void) {
    this.socket = socket;
    this.#onData = onData;
    this.closed = new Promise((resolve) => (this.#closed = resolve));
  }

  onData(bytes: Uint8Array, length: number): void {
    this.memory.push(bytes.buffer);
    this.received += length;
    this.isTold = true;
    this.#onData(this.socket, bytes.subarray(0, length));
    this.isTold = false;
  }

  onEnd(): void {
    this.events.push("end");
    this.socket.end();
  }

  onDrain(): void {
    this.events.push("drain");
  }

  onClose(): void {
    this.events.push("close");
    this.#closed();
  }
}

const noIPv6 = await cannotListen("::1");
const echo = (socket: Socket, bytes: Uint8Array) => void socket.write(bytes.slice());
const options = { backlog: 511, onError: (error: Error) => assert.fail(error) };

async function serve(
  transport: Transport,
  onData: (socket: Socket, bytes: Uint8Array) => void,
  use: (address: Listener["address"], next: () => Promise<Recorder>) => Promise<void>,
  address: Address = ["127.0.0.1", 0],
): Promise<void> {
  const waiting: ((recorder: Recorder) => void)[] = [];
  const listener = await transport.listen(address, options, (socket) => {
    const recorder = new Recorder(socket, onData);
    waiting.shift()?.(recorder);
    return recorder;
  });
  try {
    await use(listener.address, () => new Promise((resolve) => waiting.push(resolve)));
  } finally {
    listener.close();
  }
}

function connect(address: Address, more: { allowHalfOpen?: boolean } = {}): net.Socket {
  const socket =
    typeof address === "string"
      ? net.connect({ path: address, ...more })
      : net.connect({ host: address[0], port: address[1], ...more });
  return socket.on("error", () => {});
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate);
}

async function collect(socket: net.Socket): Promise<string> {
  let text = "";
  for await (const data of socket) text += String(data);
  return text;
}

/** A transport that there is here. */
interface Tested {
  readonly transport: Transport;
  /** It reads all connections into one buffer. */
  readonly isShared: boolean;
}

/** Those of this runtime: its own, and, where that goes past what is documented, what it falls back on. */
async function transportsHere(): Promise<Record<string, Tested>> {
  if (runtime === "bun") {
    const { transport } = await import("../../src/transport/bun.ts");
    return { "Bun's sockets": { transport, isShared: false } };
  }
  const make = runtime === "deno" ? (await import("../../src/transport/deno.ts")).denoTransport : nodeTransport;
  return {
    "past the streams of net": { transport: make(), isShared: true },
    "through the streams of net": { transport: make({ direct: false }), isShared: false },
  };
}

const transports = await transportsHere();

for (const [name, { transport, isShared }] of Object.entries(transports)) {
  describe(name, () => {
    test("bytes come in, go out, and both sides end", () =>
      serve(transport, echo, async (address, next) => {
        const accepted = next();
        const client = connect(address, { allowHalfOpen: true });
        client.write("one ");
        const recorder = await accepted;
        await once(client, "data");
        client.end("two");
        assert.equal(await collect(client), "two");
        await recorder.closed;
        assert.deepEqual(recorder.events, ["end", "close"]);
        assert.deepEqual(recorder.socket.info.clientAddress, ["127.0.0.1", recorder.socket.info.clientAddress[1]]);
        assert.ok(recorder.socket.info.clientAddress[1] > 0);
        assert.equal(recorder.memory.length, 2);
        assert.equal(recorder.memory[0] === recorder.memory[1], isShared, "one buffer for all reads, or one each");
      }));

    test("who has ended its side still hears the other", () =>
      serve(transport, echo, async (address, next) => {
        const accepted = next();
        const client = connect(address, { allowHalfOpen: true });
        const recorder = await accepted;
        recorder.socket.end();
        client.resume();
        await once(client, "end");
        client.write("there is more");
        await until(() => recorder.received === 13);
        client.end();
        await recorder.closed;
        assert.deepEqual(recorder.events.at(-1), "close");
      }));

    test("a socket that is destroyed says so later, and nothing else", () =>
      serve(
        transport,
        (socket) => socket.destroy(),
        async (address, next) => {
          const accepted = next();
          const client = connect(address);
          client.write("one");
          const recorder = await accepted;
          // While it is being told of "one".
          const told: string[] = [];
          recorder.onClose = ((close) =>
            function (this: Recorder): void {
              told.push(recorder.isTold ? "inside" : "later");
              close.call(this);
            })(recorder.onClose);
          client.write("two");
          await recorder.closed;
          assert.deepEqual([told, recorder.events], [["later"], ["close"]]);
          assert.equal(recorder.memory.length, 1);
        },
      ));

    test("a paused socket reads nothing, a resumed one goes on", () =>
      serve(
        transport,
        (socket) => socket.pause(),
        async (address, next) => {
          const accepted = next();
          const client = connect(address);
          const piece = Buffer.alloc(64 * 1024);
          for (let i = 0; i < 32; i++) client.write(piece);
          const recorder = await accepted;
          while (recorder.received === 0) await new Promise(setImmediate);
          const { received } = recorder;
          for (let i = 0; i < 20; i++) await new Promise(setImmediate);
          assert.equal(recorder.received, received);
          while (recorder.received < 32 * piece.length) {
            recorder.socket.resume();
            await new Promise(setImmediate);
          }
          client.destroy();
          recorder.socket.resume(); // who does not read does not hear of an end either
          await recorder.closed;
        },
      ));

    test("a write that the peer does not read says so, and drains when it does", () =>
      serve(
        transport,
        () => {},
        async (address, next) => {
          const accepted = next();
          const client = connect(address);
          const { socket, events, closed } = await accepted;
          client.pause();
          let sent = 0;
          while (socket.write(Buffer.alloc(256 * 1024, 1))) sent += 256 * 1024;
          sent += 256 * 1024;
          assert.deepEqual(events, []);
          let got = 0;
          client.on("data", (data: Buffer) => (got += data.length));
          client.resume();
          while (got < sent || events.length === 0) await new Promise(setImmediate);
          assert.deepEqual(events, ["drain"]);
          socket.destroy();
          await closed;
          assert.equal(socket.write(Buffer.from("nobody hears")), true, "writes to a connection that is gone vanish");
        },
      ));

    test("how much of a write still waits is told while the peer takes it", () =>
      serve(
        transport,
        () => {},
        async (address, next) => {
          const accepted = next();
          const client = connect(address);
          const { socket, events, closed } = await accepted;
          client.pause();
          let got = 0;
          client.on("data", (data: Buffer) => {
            got += data.length;
            client.pause();
          });
          const size = 16 * 1024 * 1024;
          assert.equal(socket.write(Buffer.alloc(size)), false);
          const seen = new Set([socket.waiting!]);
          assert.ok(socket.waiting! > 0 && socket.waiting! < size);
          for (const begin = socket.waiting!; socket.waiting! > 0; await new Promise(setImmediate)) {
            client.resume();
            seen.add(socket.waiting!);
            assert.ok(socket.waiting! <= begin);
            assert.deepEqual(events, []);
          }
          assert.ok(seen.size > 3, [...seen].join());
          client.removeAllListeners("data").on("data", (data: Buffer) => (got += data.length));
          client.resume();
          await until(() => got === size);
          assert.deepEqual(events, ["drain"]);
          client.destroy();
          await closed;
        },
      ));

    test("memory that is transferred elsewhere while it is written ends the connection, or arrives as long as it was", () =>
      serve(
        transport,
        () => {},
        async (address, next) => {
          const accepted = next();
          const client = connect(address);
          const { socket, events, closed } = await accepted;
          client.pause();
          const bytes = new Uint8Array(16 * 1024 * 1024);
          assert.equal(socket.write(bytes), false);
          const there = structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
          let got = 0;
          client.on("data", (data: Buffer) => (got += data.length));
          client.resume();
          await until(() => got === there.byteLength || events.includes("close"));
          client.destroy();
          await closed;
        },
      ));

    test("what the kernel takes only in parts arrives whole and in order, time after time", () =>
      serve(
        transport,
        () => {},
        async (address, next) => {
          const accepted = next();
          const client = connect(address);
          const { socket, events, closed } = await accepted;
          client.pause();
          const received: Buffer[] = [];
          client.on("data", (data: Buffer) => received.push(data));
          let sent = 0;
          for (let round = 1; round <= 5; round++) {
            client.pause();
            // Small pieces between the large ones: they go where nothing waits.
            for (let size = 1000; ; size = size === 1000 ? 300_000 : 1000) {
              const piece = Buffer.alloc(size);
              for (let i = 0; i < size; i++) piece[i] = (sent + i) % 251;
              sent += size;
              if (!socket.write(piece)) break;
            }
            client.resume();
            while (events.length < round) await new Promise(setImmediate);
          }
          socket.end();
          await once(client, "end");
          client.destroy();
          await closed;
          const all = Buffer.concat(received);
          assert.equal(all.length, sent);
          for (let i = 0; i < sent; i++) if (all[i] !== i % 251) assert.fail(`another byte than was sent, at ${i}`);
          assert.deepEqual(events.slice(0, 5), Array(5).fill("drain"));
        },
      ));

    test("a peer that goes while a write waits is a close, and no drain", () =>
      serve(
        transport,
        () => {},
        async (address, next) => {
          const accepted = next();
          const client = connect(address);
          const { socket, events, closed } = await accepted;
          client.pause();
          while (socket.write(Buffer.alloc(256 * 1024, 1)));
          client.resetAndDestroy();
          await closed;
          assert.deepEqual(events, ["close"]);
          assert.equal(socket.write(Buffer.from("nobody hears")), true);
        },
      ));

    test("writes to a peer that has just gone, before that is known, lose nothing but themselves", () =>
      serve(
        transport,
        () => {},
        async (address, next) => {
          const accepted = next();
          const client = connect(address);
          const recorder = await accepted;
          client.resetAndDestroy();
          await once(client, "close");
          // In one turn: the reset has come to the kernel, and nobody here has looked.
          for (let i = 0; i < 3; i++) recorder.socket.write(Buffer.alloc(1000));
          await recorder.closed;
          assert.deepEqual(recorder.events, ["close"]);
        },
      ));

    test("a reset is one for the peer, and a peer's reset is a close", () =>
      serve(
        transport,
        (socket) => socket.reset(),
        async (address, next) => {
          const accepted = next();
          const client = connect(address);
          client.write("x");
          const recorder = await accepted;
          const codes: unknown[] = [];
          client.on("error", (error: NodeJS.ErrnoException) => codes.push(error.code));
          await once(client, "close").catch(() => {});
          await recorder.closed;
          assert.deepEqual(codes, ["ECONNRESET"]);

          const second = next();
          const other = connect(address);
          await once(other, "connect");
          other.resetAndDestroy();
          await (
            await second
          ).closed;
        },
      ));

    test("IPv6", { skip: noIPv6 }, () =>
      serve(
        transport,
        echo,
        async (address) => {
          const client = connect(address);
          client.end("six");
          assert.equal(await collect(client), "six");
        },
        ["::1", 0],
      ),
    );

    test("every address, by the name that Python gives it", { skip: noIPv6 }, () =>
      serve(
        transport,
        echo,
        async ([host, port], next) => {
          assert.equal(host, "::");
          for (const to of ["127.0.0.1", "::1"]) {
            const accepted = next();
            const client = connect([to, Number(port)]);
            await once(client, "connect");
            const { localPort } = client;
            client.end("any");
            assert.equal(await collect(client), "any");
            assert.deepEqual(
              (await accepted).socket.info.clientAddress,
              [to, localPort],
              "no IPv4 address mapped to IPv6",
            );
          }
        },
        ["", 0],
      ),
    );

    test("a name is an address when it listens", () =>
      serve(transport, echo, async ([host]) => assert.ok(net.isIP(String(host)) > 0, String(host)), ["localhost", 0]));

    const sharing = { ...options, reusePort: true };

    if (!sharesPorts) {
      test("a port that cannot be shared is refused", () =>
        assert.rejects(
          transport.listen(["127.0.0.1", 0], sharing, () => assert.fail()),
          /^Error: a port cannot be shared on Node .* Node 22\.12 or newer/,
        ));
    } else {
      test("a port is shared by those that say so, and by them alone", () =>
        serve(transport, echo, async (address) => {
          await assert.rejects(
            transport.listen(address, sharing, () => assert.fail()),
            { code: "EADDRINUSE" },
          );
          const accepted = [0, 0];
          const first = await transport.listen(["127.0.0.1", 0], sharing, count(0));
          const second = await transport.listen(first.address, sharing, count(1));
          function count(which: number): (socket: Socket) => SocketHandler {
            return (socket) => {
              accepted[which]++;
              return new Recorder(socket, echo);
            };
          }
          try {
            for (let asked = 1; accepted.includes(0); asked++) {
              const client = connect(first.address);
              client.end("who?");
              assert.equal(await collect(client), "who?");
              assert.equal(accepted[0] + accepted[1], asked);
              assert.ok(asked < 1000, "one of them gets all");
            }
          } finally {
            first.close();
            second.close();
          }
        }));
    }

    test("a client that was gone when it was accepted has no address", () =>
      serve(transport, echo, async ([, port], next) => {
        const accepted = next();
        // This process accepts nothing meanwhile.
        const code = `const client = require("node:net").connect(${port}, "127.0.0.1", () => client.resetAndDestroy())`;
        spawnSync(process.execPath, ["-e", code]);
        const { socket, closed } = await accepted;
        assert.deepEqual(socket.info.clientAddress, ["", 0]);
        await closed;
      }));

    test("a Unix socket, also over the file of one that was killed", async () => {
      const folder = mkdtempSync(path.join(tmpdir(), "plinth-"));
      const file = path.join(folder, "socket");
      try {
        const use = async (address: Listener["address"], next: () => Promise<Recorder>) => {
          assert.equal(address, file);
          const accepted = next();
          const client = connect(address);
          client.end("unix");
          assert.equal(await collect(client), "unix");
          assert.deepEqual((await accepted).socket.info.clientAddress, ["", 0]);
        };
        await serve(transport, echo, use, file);
        // A server that is killed leaves its file behind.
        spawnSync(process.execPath, [
          "-e",
          `net.createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, "SIGKILL"))`,
        ]);
        assert.ok(existsSync(file));
        await serve(transport, echo, use, file);
        await serve(
          transport,
          echo,
          () =>
            assert.rejects(
              transport.listen(file, options, () => assert.fail()),
              { code: "EADDRINUSE" },
            ),
          file,
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    test("the end of the turn comes behind all microtasks", async () => {
      const order: string[] = [];
      await new Promise<void>((resolve) => {
        transport.endOfTurn(() => {
          order.push("turn");
          resolve();
        });
        void Promise.resolve()
          .then(() => order.push("one"))
          .then(() => order.push("two"));
      });
      assert.deepEqual(order, ["one", "two", "turn"]);
    });

    test("an address that cannot be had rejects with the system's code", async () => {
      await serve(transport, echo, async (address) => {
        await assert.rejects(
          transport.listen(address, options, () => assert.fail()),
          { code: "EADDRINUSE" },
        );
      });
      await assert.rejects(
        transport.listen(["192.0.2.1", 0], options, () => assert.fail()),
        { code: "EADDRNOTAVAIL" },
      );
    });
  });
}

// How a runtime writes past a stream is learnt from the first write, which is the stream's.
testOn("node", "deno")("the first writes of a process: one that waits is not taken for the one before it", async () => {
  const file = runtime === "deno" ? "deno" : "node";
  const url = `${pathToFileURL(programFile(`src/transport/${file}`)).href}?first`;
  const { transport } = (await import(url)) as { transport: Transport };
  await serve(
    transport,
    () => {},
    async (address, next) => {
      const accepted = next();
      const client = connect(address);
      const { socket, events, closed } = await accepted;
      client.pause();
      const size = 16 * 1024 * 1024;
      if (!socket.write(Buffer.alloc(100))) await until(() => events.length > 0);
      events.length = 0;
      assert.equal(socket.write(Buffer.alloc(size)), false);
      for (let i = 0; i < 20; i++) await new Promise(setImmediate);
      assert.deepEqual(events, []);
      let got = 0;
      client.on("data", (data: Buffer) => (got += data.length));
      client.resume();
      await until(() => got === 100 + size && events.length > 0);
      assert.deepEqual(events, ["drain"]);
      client.destroy();
      await closed;
    },
  );
});

async function cannotListen(host: string): Promise<string | false> {
  const server = net.createServer();
  server.listen(0, host);
  try {
    await once(server, "listening");
    server.close();
    return false;
  } catch {
    return `this machine has no ${host}`;
  }
}
