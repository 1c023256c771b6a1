// One large request whose content comes back: sends so many bytes, reads as many, compares all of them. A process of its own; its
// orders are its first argument, its result a line of JSON.
import net from "node:net";
import process from "node:process";
import { ResponseOracle } from "../../test/support/response_oracle.mjs";

const { port, path, size } = JSON.parse(process.argv[2]);

// A period that is no power of two: bytes that went astray in a ring of buffers do not fit.
const PERIOD = 65_521;
const PIECE = 256 * 1024;
/** Seconds without a byte in either direction: it has come to a standstill. */
const STALL = 10;
const pattern = Buffer.alloc(PERIOD + PIECE);
for (let i = 0; i < PERIOD; i++) pattern[i] = Math.imul(i, 2_654_435_761) >>> 24;
pattern.copyWithin(PERIOD, 0, PERIOD);
for (let at = 2 * PERIOD; at < pattern.length; at += PERIOD)
  pattern.copyWithin(at, 0, Math.min(PERIOD, pattern.length - at));

const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: ${size}\r\n\r\n`;
const oracle = new ResponseOracle("any server");
let hasHead = false;
let received = 0;
let sent = 0;
let started;

let hasFailed = false;

/** Tells what went wrong, once, and ends. */
function fail(why) {
  if (hasFailed) return;
  hasFailed = true;
  process.stdout.write(`${JSON.stringify({ error: why, received })}\n`, () => process.exit(1));
}

const socket = net.connect({
  host: "127.0.0.1",
  port,
  onread: {
    buffer: Buffer.alloc(PIECE),
    callback(n, buffer) {
      try {
        oracle.feed(buffer.subarray(0, n));
        read();
      } catch (error) {
        fail(error.message);
      }
      return true;
    },
  },
});

function read() {
  if (hasFailed) return;
  if (!hasHead) {
    const response = oracle.readHead("POST");
    if (response === null) return;
    if (response.status !== 200) return fail(`it has responded ${response.status} ${response.reason}`);
    if (response.length !== size) return fail(`another Content-Length: ${response.length}`);
    hasHead = true;
  }
  for (let piece; (piece = oracle.readContent()) !== null;) {
    const at = received % PERIOD;
    if (piece.compare(pattern, at, at + piece.length) !== 0) return fail(`other bytes than were sent, at ${received}`);
    received += piece.length;
  }
  if (!oracle.isWhole) return;
  if (oracle.rest.length > 0) return fail("bytes behind the response");
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(`${JSON.stringify({ seconds })}\n`, () => process.exit());
}

function send() {
  for (;;) {
    const n = Math.min(PIECE, size - sent);
    if (n === 0) return;
    const at = sent % PERIOD;
    sent += n;
    if (!socket.write(pattern.subarray(at, at + n))) return;
  }
}

socket.setTimeout(STALL * 1000, () => fail(`nothing moved for ${STALL} s`));
socket.on("connect", () => {
  started = performance.now();
  socket.write(head);
  send();
});
socket.on("drain", send);
socket.on("error", (error) => fail(error.message));
socket.on("close", () => fail("closed before the end"));
process.stdin.on("end", () => process.exit());
process.stdin.resume();
