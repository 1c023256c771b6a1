/** TLS as each runtime carries it, and what a runtime lacks: docs/RUNTIMES.md has the same. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { test, type TestContext } from "node:test";
import { transport } from "#transport";
import { selfSignedCertificate } from "plinth";
import type { TlsListenOptions, TlsSettings } from "../../src/transport/transport.ts";
import { runtime } from "../support/runtime.ts";
import { until } from "../server/support.ts";

const { cert, key } = selfSignedCertificate(["localhost", "127.0.0.1"]);
const settings: TlsSettings = {
  identity: { cert, key },
  serverNames: {},
  ca: undefined,
  clientCertificates: "none",
  alpnProtocols: ["http/1.1"],
  ticketKeys: new Uint8Array(48).fill(7),
};

interface Listening {
  readonly port: number;
  /** How many handshakes go on. */
  handshakes: number;
  /** How those have ended that did. */
  readonly ends: (string | null)[];
}

/** Listens, and responds "hello" to whoever has shaken hands. */
async function listen(t: TestContext, more: Partial<TlsSettings> = {}): Promise<Listening> {
  const state = { port: 0, handshakes: 0, ends: [] as (string | null)[] };
  const options: TlsListenOptions = {
    settings: { ...settings, ...more },
    handshakeBegins: () => (state.handshakes++, true),
    handshakeEnded: (_, why) => {
      state.handshakes--;
      state.ends.push(why);
    },
  };
  const listener = await transport.listen(
    ["127.0.0.1", 0],
    { backlog: 16, onError: assert.ifError, tls: options },
    (socket) => {
      setImmediate(() => void socket.write(Buffer.from("hello")));
      return { onData() {}, onEnd: () => socket.end(), onDrain() {}, onClose() {} };
    },
  );
  t.after(() => listener.close());
  state.port = listener.address[1] as number;
  return state;
}

/** Shakes hands and waits for the greeting. @returns the connection, and its session */
async function greeted(t: TestContext, port: number, session?: Buffer): Promise<[tls.TLSSocket, Buffer | undefined]> {
  const socket = tls.connect({
    host: "127.0.0.1",
    port,
    servername: "localhost",
    rejectUnauthorized: false,
    ...(session && { session }),
  });
  t.after(() => socket.destroy());
  let latest: Buffer | undefined;
  socket.on("session", (one: Buffer) => (latest = one));
  await once(socket, "data");
  return [socket, latest];
}

test("another event loop resumes a session, where the runtime lets them share keys", async (t) => {
  const [one, other] = [await listen(t), await listen(t)];
  const [first, session] = await greeted(t, one.port);
  await until(() => session !== undefined || first.getSession() !== undefined, "a session");
  const [again] = await greeted(t, one.port, session);
  assert.equal(again.isSessionReused(), true);
  const [second] = await greeted(t, other.port, session);
  assert.equal(second.isSessionReused(), { node: true, bun: false, deno: true }[runtime]);
});

test("a record that is too long is noticed at once, or at the deadline of its handshake", async (t) => {
  const listening = await listen(t);
  const socket = net.connect(listening.port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(Buffer.concat([Buffer.from([22, 3, 1, 64, 1]), Buffer.alloc(16 * 1024 + 1)])); // longer than a record may be
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(listening.handshakes, { node: 0, bun: 0, deno: 1 }[runtime]);
});
