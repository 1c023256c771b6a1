/** How the benchmarks talk with a server, to see that its responses are right before they count them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import type { TestContext } from "node:test";
import tls from "node:tls";
import { selfSignedCertificate } from "plinth";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

interface ReadResponse {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly length: number;
  readonly closes: boolean;
}

const { takeFinalResponses, converse } = await importBench<{
  takeFinalResponses(received: Buffer, ended?: boolean): { responses: ReadResponse[]; used: number };
  converse(
    port: number,
    pieces: readonly { bytes: Buffer; count: number }[],
    ends?: boolean,
    ca?: string,
  ): Promise<ReadResponse[]>;
}>("load/conversation.mjs");

const PLAIN = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 9\r\n\r\n{"sum":7}';
const CHUNKED =
  'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{"sum\r\n4;x=y\r\n":7}\r\n0\r\n\r\n';
const INTERIM = "HTTP/1.1 100 Continue\r\n\r\n";
const TO_THE_END = "HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nnothing";

test("responses are read one behind another, with what each says of itself", () => {
  const { responses, used } = takeFinalResponses(Buffer.from(PLAIN + PLAIN + CHUNKED));
  const plain = { status: 200, type: "application/json", body: '{"sum":7}', length: PLAIN.length, closes: false };
  const coded = { status: 201, type: "", body: '{"sum":7}', length: CHUNKED.length, closes: true };
  assert.deepEqual(responses, [plain, plain, coded]);
  assert.equal(used, 2 * PLAIN.length + CHUNKED.length);
});

test("of a response that is not all there nothing is taken", () => {
  for (const whole of [PLAIN, CHUNKED]) {
    for (let n = 0; n < whole.length; n++)
      assert.deepEqual(
        takeFinalResponses(Buffer.from(whole.slice(0, n))),
        { responses: [], used: 0 },
        whole.slice(0, n),
      );
    assert.deepEqual(takeFinalResponses(Buffer.from(PLAIN + whole.slice(0, -1))).used, PLAIN.length);
  }
});

test("interim responses are no responses", () => {
  const { responses, used } = takeFinalResponses(Buffer.from(INTERIM + PLAIN + INTERIM));
  assert.deepEqual([responses.map(({ status }) => status), used], [[200], 2 * INTERIM.length + PLAIN.length]);
});

test("a response without a length lasts until its connection ends", () => {
  assert.equal(takeFinalResponses(Buffer.from(TO_THE_END)).used, 0);
  const { responses, used } = takeFinalResponses(Buffer.from(TO_THE_END), true);
  assert.deepEqual([responses[0].body, responses[0].closes, used], ["nothing", true, TO_THE_END.length]);
});

/** A server that is given each piece that comes, and counts its connections. */
async function serve(t: TestContext, onPiece: (socket: Socket, text: string) => void) {
  const seen = { connections: 0, port: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    seen.connections++;
    sockets.add(socket);
    socket.setEncoding("latin1").on("data", (text: string) => onPiece(socket, text));
    socket.on("error", () => {});
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  seen.port = (server.address() as AddressInfo).port;
  return seen;
}

const piece = (text: string, count = 1) => ({ bytes: Buffer.from(text), count });

test("pieces are sent on one connection while the server keeps it, and on a new one behind a response that closes", async (t) => {
  const seen = await serve(t, (socket, text) => {
    if (text === "two") socket.write(PLAIN + PLAIN);
    else if (text === "last") socket.end(CHUNKED);
    else socket.write(PLAIN);
  });
  const responses = await converse(seen.port, [piece("one"), piece("two", 2), piece("last"), piece("one")]);
  assert.deepEqual(
    responses.map(({ status }) => status),
    [200, 200, 200, 201, 200],
  );
  assert.equal(seen.connections, 2);
});

test("a server that ends connections without saying so has each piece on a connection of its own", async (t) => {
  const seen = await serve(t, (socket) => socket.end(PLAIN));
  const responses = await converse(seen.port, [piece("one"), piece("two")], true);
  assert.equal(responses.length, 2);
  assert.equal(seen.connections, 2);
});

test("a response that does not come, and one too many, are told", async (t) => {
  const seen = await serve(t, (socket, text) => {
    if (text === "none") socket.destroy();
    else socket.write(PLAIN + PLAIN);
  });
  await assert.rejects(converse(seen.port, [piece("none")]), /closed|ECONNRESET/);
  await assert.rejects(converse(seen.port, [piece("twice")]), /2 responses to 1 requests/);
});

test("it talks over TLS with a server whose certificate it was given, and with no other", async (t) => {
  const { cert, key } = selfSignedCertificate(["127.0.0.1"]);
  const server = tls.createServer({ cert, key }, (socket) => {
    socket.on("data", () => socket.write(PLAIN)).on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const responses = await converse(port, [piece("one"), piece("two")], false, cert);
  assert.deepEqual(
    responses.map(({ body }) => body),
    ['{"sum":7}', '{"sum":7}'],
  );
  const other = selfSignedCertificate(["127.0.0.1"]).cert;
  await assert.rejects(converse(port, [piece("one")], false, other), /SELF_SIGNED/);
});

test("what is malformed is told, and not waited for", async (t) => {
  for (const [sent, why] of [
    [PLAIN.replace("9", "9\r\nContent-Length: 9"), /framed more than once/],
    [PLAIN.replace("9", "x"), /Content-Length is no length/],
    [CHUNKED.replace("\r\n4;", "\r\nx;"), /a chunk's size/],
    [PLAIN + "x", /begin no response/],
    [CHUNKED + PLAIN, /behind a response that ends the connection/],
  ] as const) {
    const seen = await serve(t, (socket) => socket.write(sent));
    await assert.rejects(converse(seen.port, [piece("one"), piece("two")]), why);
  }
});
