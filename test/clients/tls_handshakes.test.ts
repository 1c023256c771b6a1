/**
 * Handshakes that are slow or broken, by clients that write bytes. Each time the server goes on to serve others, says in one line of its log
 * why the handshake has failed, and then stops at once: nothing is left of it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { HTTPSServerOptions } from "plinth";
import { until } from "../server/support.ts";
import { runs, thorough, thoroughly } from "../support/thorough.ts";
import { askTls, elsewhere, failuresIn, hashOf, Judged, own, serveTls, type ServedTls } from "./tls_server.ts";

const skip = { skip: elsewhere };

/** A server that is asked to stop waits so long for handshakes that are left: far longer than these tests do. In milliseconds. */
const GRACE = 60_000;
const AT_ONCE = 10_000;

/**
 * Serves while a client attacks: another client has a connection from before, and others come meanwhile.
 * @returns the lines of the log that say why handshakes have failed
 */
async function underAttack(
  t: TestContext,
  attack: (port: number, served: ServedTls) => Promise<void>,
  lines: number,
  options: HTTPSServerOptions = {},
): Promise<string[]> {
  const served = await serveTls(t, { shutdownGrace: GRACE, ...options });
  const { port, log } = served;
  const steady = await connectTls(port);
  const attacked = attack(port, served);
  assert.equal((await askTls(port)).scheme, "https");
  await attacked;
  await until(() => failuresIn(log).length >= lines, "lines in the log", 60_000);
  assert.equal((await askTls(port)).scheme, "https");
  steady.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(String((await once(steady, "data"))[0]), /^HTTP\/1\.1 200 /);
  steady.destroy();
  await stops(served);
  const failures = failuresIn(log);
  assert.equal(failures.length, lines, failures.join("\n"));
  // The address of a client whose reset has come before the server has accepted the connection is not known.
  for (const line of failures)
    assert.match(line, /(127\.0\.0\.1|-): the TLS handshake has failed: [a-z][a-zA-Z0-9 ,.()']+$/);
  return failures;
}

async function stops({ httpd }: ServedTls): Promise<void> {
  const begun = performance.now();
  await httpd.shutdown();
  assert.ok(performance.now() - begun < AT_ONCE, "something was left of a handshake");
}

async function connectTls(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host: "127.0.0.1", servername: "localhost", ca: own.cert, ...options });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

async function connectRaw(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  await once(socket, "connect");
  socket.on("error", () => {}).resume();
  return socket;
}

const closed = (socket: net.Socket): Promise<void> =>
  new Promise((resolve) => (socket.destroyed ? resolve() : void socket.once("close", () => resolve())));

/** How a client leaves. */
type Leaving = "ends" | "resets";
const LEAVINGS = ["ends", "resets"] as const;

function leave(socket: net.Socket, how: Leaving): void {
  if (how === "resets") socket.resetAndDestroy();
  else socket.end();
}

/** Sends bytes, and waits until the server has ended the connection. @returns what it has sent */
async function send(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = await connectRaw(port);
  const received: Buffer[] = [];
  socket.on("data", (data: Buffer) => received.push(data));
  socket.on("end", () => socket.destroy());
  socket.write(bytes);
  await closed(socket);
  return Buffer.concat(received);
}

function record(type: number, data: Uint8Array, claimed = data.length): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 3, claimed >> 8, claimed & 255]), data]);
}
const ALERT = 21;
const HANDSHAKE = 22;
const APPLICATION_DATA = 23;

/** The ClientHello that Node's own client sends. */
async function clientHello(): Promise<Buffer> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const client = tls.connect({ port, host: "127.0.0.1", servername: "localhost" });
  client.on("error", () => {});
  const [socket] = (await once(server, "connection")) as [net.Socket];
  const [hello] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

/** A connection through a proxy. */
interface Carried {
  readonly client: net.Socket;
  readonly server: net.Socket;
  /** Bytes that the client has sent so far. */
  sent: number;
  /** Bytes that the server has sent so far. */
  received: number;
}

/** Carries a TLS client's bytes to a server, changed by a test. @returns the port to connect to */
async function carry(
  t: TestContext,
  port: number,
  change: (bytes: Buffer, carried: Carried) => Buffer | null,
): Promise<number> {
  const proxy = net.createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const server = net.connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const carried: Carried = { client, server, sent: 0, received: 0 };
    client.on("data", (bytes: Buffer) => {
      const changed = change(bytes, carried);
      carried.sent += bytes.length;
      if (changed !== null) server.write(changed);
    });
    client.on("end", () => server.end());
    client.on("error", () => {}).on("close", () => server.destroy());
    server.on("data", (bytes: Buffer) => {
      carried.received += bytes.length;
      client.write(bytes);
    });
    server.on("end", () => client.end());
    server.on("error", () => {}).on("close", () => client.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => void proxy.close());
  return (proxy.address() as net.AddressInfo).port;
}

/** Another kind of client for each seed; xorshift. */
function numbers(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

describe("silence", () => {
  const count = thorough ? 5000 : 300;

  test(
    `${count} connections that say nothing end at the deadline, and others are served meanwhile`,
    skip,
    async (t) => {
      const silent: net.Socket[] = [];
      const attack = async (port: number): Promise<void> => {
        while (silent.length < count) {
          const some = Array.from({ length: Math.min(100, count - silent.length) }, () => connectRaw(port));
          silent.push(...(await Promise.all(some)));
        }
        assert.equal((await askTls(port)).scheme, "https");
        await Promise.all(silent.map(closing));
      };
      const options = { handshakeTimeout: thorough ? 5000 : 500, maxHandshakes: count + 10 };
      const failures = await underAttack(t, attack, count, options);
      for (const line of failures) assert.match(line, /it has taken more than \d+ ms$/);
    },
  );

  test("with more than maxHandshakes, those that stall are given up, so that others get in", skip, async (t) => {
    const { port, log, ...served } = await serveTls(t, {
      maxHandshakes: 20,
      handshakeTimeout: 4000,
      shutdownGrace: GRACE,
    });
    const silent = await Promise.all(Array.from({ length: 100 }, () => connectRaw(port)));
    const closed = silent.map(closing);
    await sleep(1200);
    for (let i = 0; i < 5; i++) assert.equal((await askTls(port)).scheme, "https");
    await Promise.all(closed);
    await until(() => failuresIn(log).length === 19, "a line for each that has reached its deadline");
    assert.equal(log.filter((line) => /too many TLS handshakes: with 20 under way/.test(line)).length, 1);
    assert.equal(log.filter((line) => line.endsWith("closed, since too many were under way: 81")).length, 1);
    assert.equal(log.length, 26, log.join("\n")); // and the lines of the requests
    await stops({ port, log, ...served });
  });

  test("so do those that say too little, or nothing of use", skip, async (t) => {
    const drips = async (port: number): Promise<void> => {
      const socket = await connectRaw(port);
      socket.on("end", () => socket.destroy());
      let sent = 0;
      for (const byte of await clientHello()) {
        if (socket.destroyed) break;
        socket.write(Buffer.from([byte]));
        sent++;
        await sleep(50);
      }
      assert.ok(sent < 100, `${sent} bytes were taken`);
    };
    const stopsBehindServerHello = async (port: number): Promise<void> => {
      const received = await send(port, await clientHello());
      assert.equal(received[0], HANDSHAKE);
    };
    const speaksHttpWithoutEnd = async (port: number): Promise<void> => {
      const socket = await connectRaw(port);
      const flood = setInterval(() => socket.write("POST / HTTP/1.1\r\n".repeat(1000)), 5);
      await closed(socket);
      clearInterval(flood);
    };
    const attacks = [drips, stopsBehindServerHello, speaksHttpWithoutEnd];
    const options = { handshakeTimeout: 300 };
    const lines = await Promise.all(attacks.map((attack) => underAttack(t, attack, 1, options)));
    for (const [line] of lines.slice(0, 2)) assert.match(line, /it has taken more than 300 ms$/);
    assert.match(lines[2][0], /the client speaks HTTP without TLS$/);
  });
});

/** Waits until the server has ended a connection on which nothing is sent. */
function closing(socket: net.Socket): Promise<void> {
  socket.on("end", () => socket.destroy());
  if (socket.readableEnded) socket.destroy();
  return closed(socket);
}

describe("a ClientHello", () => {
  for (const how of LEAVINGS) {
    test(`cut at any byte by a client that ${how}`, skip, async (t) => {
      const hello = await clientHello();
      const step = thorough ? 1 : 23;
      const cuts = Array.from({ length: Math.ceil(hello.length / step) }, (_, i) => i * step);
      const attack = async (port: number): Promise<void> => {
        for (let i = 0; i < cuts.length; i += 20)
          await Promise.all(
            cuts.slice(i, i + 20).map(async (cut) => {
              const socket = await connectRaw(port);
              if (cut > 0) await new Promise((resolve) => socket.write(hello.subarray(0, cut), resolve));
              await sleep(5);
              socket.on("end", () => socket.destroy());
              leave(socket, how);
              await closed(socket);
            }),
          );
      };
      const failures = await underAttack(t, attack, cuts.length);
      for (const line of failures) assert.match(line, /the client has left$/);
    });

    test(`whole, of a client that ${how} behind the ServerHello`, skip, async (t) => {
      const attack = async (port: number): Promise<void> => {
        const socket = await connectRaw(port);
        socket.on("end", () => socket.destroy());
        socket.write(await clientHello());
        await once(socket, "data");
        leave(socket, how);
        await closed(socket);
      };
      const [line] = await underAttack(t, attack, 1);
      assert.match(line, /the client has left$/);
    });
  }

  /** @param write writes the ClientHello to the server */
  async function through(t: TestContext, write: (server: net.Socket, hello: Buffer) => void): Promise<void> {
    await underAttack(
      t,
      async (port) => {
        const proxy = await carry(t, port, (bytes, { sent, server }) => {
          if (sent > 0) return bytes;
          write(server, bytes);
          return null;
        });
        assert.equal((await askTls(proxy)).scheme, "https");
      },
      0,
    );
  }

  test("in records of a byte is a ClientHello", skip, async (t) => {
    await through(t, (server, hello) => {
      for (const byte of hello.subarray(5)) server.write(record(HANDSHAKE, Buffer.from([byte])));
    });
  });

  test("in packets of a byte is one, too", skip, async (t) => {
    await through(t, (server, hello) => {
      for (const byte of hello) server.write(Buffer.from([byte]));
    });
  });
});

describe("what is no handshake", () => {
  /** SSL 2.0's ClientHello: its length, its type, a version, the lengths of what follows; 3 cipher suites, and a challenge. */
  function sslv2(version: readonly [number, number], suites: readonly number[]): Buffer {
    const body = Buffer.from([1, ...version, 0, suites.length, 0, 0, 0, 16, ...suites, ...Array<number>(16).fill(9)]);
    return Buffer.concat([Buffer.from([0x80, body.length]), body]);
  }

  const cases: Readonly<Record<string, readonly [bytes: Buffer, why?: RegExp]>> = {
    "a byte that begins nothing": [Buffer.alloc(20), /does not speak TLS/],
    "16 KiB + 1 in a record": [record(HANDSHAKE, Buffer.alloc(16 * 1024 + 1))],
    "a record that claims 65,535 bytes": [record(HANDSHAKE, Buffer.alloc(10), 65_535)],
    "a handshake message that claims 16 MiB": [
      record(HANDSHAKE, Buffer.concat([Buffer.from([1, 255, 255, 255]), Buffer.alloc(8000)])),
    ],
    "empty records without end": [
      Buffer.concat(Array.from({ length: 10_000 }, () => record(HANDSHAKE, Buffer.alloc(0)))),
    ],
    "changes of the cipher without end": [
      Buffer.concat(Array.from({ length: 10_000 }, () => record(20, Buffer.from([1])))),
    ],
    "an alert that ends it": [record(ALERT, Buffer.from([2, 40]))],
    "an alert that closes it": [record(ALERT, Buffer.from([1, 0]))],
    "warnings without end": [Buffer.concat(Array.from({ length: 10_000 }, () => record(ALERT, Buffer.from([1, 90]))))],
    "application data": [record(APPLICATION_DATA, Buffer.from("GET / HTTP/1.1\r\n\r\n"))],
    "a ServerHello": [record(HANDSHAKE, Buffer.concat([Buffer.from([2, 0, 0, 70, 3, 3]), Buffer.alloc(68)]))],
    "a Finished": [record(HANDSHAKE, Buffer.concat([Buffer.from([20, 0, 0, 12]), Buffer.alloc(12)]))],
    "a ClientHello full of nothing": [
      record(HANDSHAKE, Buffer.concat([Buffer.from([1, 0, 0, 200]), Buffer.alloc(200)])),
    ],
    "SSL 2.0": [sslv2([0, 2], [1, 0, 128, 3, 0, 128, 7, 0, 192])],
    "SSL 2.0's form with suites of SSL 3.0": [sslv2([3, 0], [0, 0, 4, 0, 0, 5, 0, 0, 10])],
    "the preface of HTTP/2": [Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), /the client speaks HTTP without TLS$/],
    "the greeting of SSH": [Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"), /the client speaks HTTP without TLS$/],
  };
  for (const [name, [bytes, why]] of Object.entries(cases)) {
    test(name, skip, async (t) => {
      const [line] = await underAttack(t, async (port) => void (await send(port, bytes)), 1, {
        handshakeTimeout: 3000,
      });
      if (why !== undefined) assert.match(line, why);
    });
  }

  test("HTTP without TLS gets a 400, in whatever pieces it comes", skip, async (t) => {
    const attack = async (port: number): Promise<void> => {
      const socket = await connectRaw(port);
      let text = "";
      socket.on("data", (data: Buffer) => (text += data.toString("latin1")));
      for (const byte of "GET / HTTP/1.1\r\n") {
        socket.write(byte);
        await sleep(1);
      }
      await closing(socket);
      assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n[^]*Connection: close\r\n\r\nThis port speaks HTTPS, /);
    };
    await underAttack(t, attack, 1);
  });

  const seeds = runs(400, 20);
  test(`garbage of ${seeds} kinds`, skip, async (t) => {
    const attack = async (port: number): Promise<void> => {
      for (let seed = 1; seed <= seeds; seed++) {
        const next = numbers(seed);
        const bytes = Buffer.from(Array.from({ length: (next() % 2000) + 1 }, next));
        if (seed % 4 !== 0) record(HANDSHAKE, Buffer.alloc(0), next() % 20_000).copy(bytes); // it begins well
        const socket = await connectRaw(port);
        socket.on("end", () => socket.destroy());
        socket.end(bytes);
        await closed(socket);
      }
    };
    await underAttack(t, attack, seeds, { handshakeTimeout: 3000 });
  });

  thoroughly(test)("a ClientHello with one other byte, each of them", skip, async (t) => {
    const hello = await clientHello();
    const { httpd, port, log } = await serveTls(t, { shutdownGrace: GRACE, handshakeTimeout: 3000 });
    for (let i = 0; i < hello.length; i += 20) {
      const some = Array.from({ length: Math.min(20, hello.length - i) }, async (_, j) => {
        const bytes = Buffer.from(hello);
        bytes[i + j] ^= 1 << ((i + j) % 8);
        const socket = await connectRaw(port);
        socket.on("end", () => socket.destroy());
        socket.write(bytes);
        await sleep(20);
        socket.end();
        await closed(socket);
      });
      await Promise.all(some);
    }
    await until(() => failuresIn(log).length >= hello.length, "lines in the log");
    assert.equal(log.length, hello.length);
    assert.equal((await askTls(port)).scheme, "https");
    await stops({ httpd, port, log });
  });
});

/** The handler says what has become of the content. */
class Reading extends Judged {
  static outcomes: string[] = [];

  override async do_POST(): Promise<void> {
    try {
      const content = await this.rfile.read();
      Reading.outcomes.push(`whole: ${content.length} ${hashOf(content)}`);
    } catch (error) {
      Reading.outcomes.push("cut");
      throw error;
    }
    this.sendText("it has come");
  }
}

describe("records", () => {
  /** Flips the last bit of the piece that a client sends, once it may. */
  function flipped(bytes: Buffer): Buffer {
    const changed = Buffer.from(bytes);
    changed[changed.length - 1] ^= 1;
    return changed;
  }

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const only = { minVersion: version, maxVersion: version };
    const testMore = version === "TLSv1.3" ? test : thoroughly(test);

    test(`${version}: a bit of the handshake is flipped on its way`, skip, async (t) => {
      const attack = async (port: number): Promise<void> => {
        const proxy = await carry(t, port, (bytes, { sent }) => (sent > 0 ? flipped(bytes) : bytes));
        const socket = tls.connect({ port: proxy, host: "127.0.0.1", ca: own.cert, servername: "localhost", ...only });
        socket.on("error", () => {}).resume();
        socket.on("end", () => socket.destroy());
        await closed(socket);
      };
      const [line] = await underAttack(t, attack, 1);
      assert.match(line, /what the client has sent was changed on its way$/);
    });

    testMore(`${version}: a bit of the content is flipped, and the handler sees a cut`, skip, async (t) => {
      const { httpd, port, log } = await serveTls(t, { shutdownGrace: GRACE }, Reading);
      Reading.outcomes = [];
      let isFlipping = false;
      const proxy = await carry(t, port, (bytes) => (isFlipping ? flipped(bytes) : bytes));
      const socket = await connectTls(proxy, only);
      socket.resume().on("end", () => socket.destroy());
      socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
      socket.write("x".repeat(2500));
      await sleep(50);
      isFlipping = true;
      socket.write("y".repeat(2500));
      await closed(socket);
      await until(() => Reading.outcomes.length > 0, "the handler's end");
      assert.deepEqual(Reading.outcomes, ["cut"]);
      assert.equal((await askTls(port)).scheme, "https");
      await stops({ httpd, port, log });
      assert.equal(log.filter((line) => line.includes("POST")).length, 1, log.join("\n"));
      assert.deepEqual(failuresIn(log), []);
    });

    for (const framing of ["Content-Length: 5000", "Transfer-Encoding: chunked"]) {
      for (const how of ["ends without close_notify", "resets", "says close_notify"] as const) {
        testMore(`${version}: a client that ${how} in the middle of ${framing} is seen as cut`, skip, async (t) => {
          const { httpd, port, log } = await serveTls(t, { shutdownGrace: GRACE }, Reading);
          Reading.outcomes = [];
          let carried: Carried | undefined;
          const proxy = await carry(t, port, (bytes, one) => ((carried = one), bytes));
          const socket = await connectTls(proxy, only);
          socket.resume();
          const isChunked = framing.startsWith("T");
          socket.write(`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`);
          const data = "x".repeat(2500);
          await new Promise((resolve) => socket.write(isChunked ? `9c4\r\n${data}\r\n` : data, resolve));
          await sleep(50);
          if (how === "says close_notify") socket.end();
          else leave(carried!.server, how === "resets" ? "resets" : "ends");
          await until(() => Reading.outcomes.length > 0, "the handler's end");
          socket.destroy();
          assert.deepEqual(Reading.outcomes, ["cut"]);
          assert.equal((await askTls(port)).scheme, "https");
          await stops({ httpd, port, log });
          assert.equal(log.filter((line) => line.includes("POST")).length, 1, log.join("\n"));
        });
      }
    }

    test(`${version}: a client that ends its side behind its request gets its response`, skip, async (t) => {
      const { port } = await serveTls(t, {}, Reading);
      const socket = await connectTls(port, { ...only, allowHalfOpen: true } as tls.ConnectionOptions);
      let text = "";
      socket.on("data", (data: Buffer) => (text += data.toString("latin1")));
      socket.end("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
      await closed(socket);
      assert.match(text, /^HTTP\/1\.1 200 [^]*it has come$/);
    });
  }
});
