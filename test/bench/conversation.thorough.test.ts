/** How the benchmarks talk with a server, to see that its responses are right before they count them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly length: number;
  readonly closes: boolean;
}

const { takeAnswers, converse } = await importBench<{
  takeAnswers(received: Buffer, ended?: boolean): { answers: Answer[]; used: number };
  converse(port: number, pieces: readonly { bytes: Buffer; count: number }[], ends?: boolean): Promise<Answer[]>;
}>("load/conversation.mjs");

const PLAIN = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 9\r\n\r\n{"sum":7}';
const CHUNKED =
  'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{"sum\r\n4;x=y\r\n":7}\r\n0\r\n\r\n';
const INTERIM = "HTTP/1.1 100 Continue\r\n\r\n";
const TO_THE_END = "HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nnothing";

test("answers are read one behind another, with what each says of itself", () => {
  const { answers, used } = takeAnswers(Buffer.from(PLAIN + PLAIN + CHUNKED));
  const plain = { status: 200, type: "application/json", body: '{"sum":7}', length: PLAIN.length, closes: false };
  const coded = { status: 201, type: "", body: '{"sum":7}', length: CHUNKED.length, closes: true };
  assert.deepEqual(answers, [plain, plain, coded]);
  assert.equal(used, 2 * PLAIN.length + CHUNKED.length);
});

test("of an answer that is not all there nothing is taken", () => {
  for (const whole of [PLAIN, CHUNKED]) {
    for (let n = 0; n < whole.length; n++)
      assert.deepEqual(takeAnswers(Buffer.from(whole.slice(0, n))), { answers: [], used: 0 }, whole.slice(0, n));
    assert.deepEqual(takeAnswers(Buffer.from(PLAIN + whole.slice(0, -1))).used, PLAIN.length);
  }
});

test("interim responses are no answers", () => {
  const { answers, used } = takeAnswers(Buffer.from(INTERIM + PLAIN + INTERIM));
  assert.deepEqual([answers.map(({ status }) => status), used], [[200], 2 * INTERIM.length + PLAIN.length]);
});

test("an answer without a length lasts until its connection ends", () => {
  assert.equal(takeAnswers(Buffer.from(TO_THE_END)).used, 0);
  const { answers, used } = takeAnswers(Buffer.from(TO_THE_END), true);
  assert.deepEqual([answers[0].body, answers[0].closes, used], ["nothing", true, TO_THE_END.length]);
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

test("pieces are sent on one connection while the server keeps it, and on a new one behind an answer that closes", async (t) => {
  const seen = await serve(t, (socket, text) => {
    if (text === "two") socket.write(PLAIN + PLAIN);
    else if (text === "last") socket.end(CHUNKED);
    else socket.write(PLAIN);
  });
  const answers = await converse(seen.port, [piece("one"), piece("two", 2), piece("last"), piece("one")]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 201, 200],
  );
  assert.equal(seen.connections, 2);
});

test("a server that ends connections without saying so has each piece on a connection of its own", async (t) => {
  const seen = await serve(t, (socket) => socket.end(PLAIN));
  const answers = await converse(seen.port, [piece("one"), piece("two")], true);
  assert.equal(answers.length, 2);
  assert.equal(seen.connections, 2);
});

test("an answer that does not come, and one too many, are told", async (t) => {
  const seen = await serve(t, (socket, text) => {
    if (text === "none") socket.destroy();
    else socket.write(PLAIN + PLAIN);
  });
  await assert.rejects(converse(seen.port, [piece("none")]), /closed|ECONNRESET/);
  await assert.rejects(converse(seen.port, [piece("twice")]), /2 answers to 1 requests/);
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
