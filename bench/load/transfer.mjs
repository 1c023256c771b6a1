// Large contents, one after another over one connection (as long as the server keeps it), for so many seconds: sent to /upload, or read from /download. A process of
// its own; its orders are its first argument, its result a line of JSON. It makes no content and keeps none, so that the server is what
// takes the time: `busy` says how much of a core it took itself.
import { Buffer } from "node:buffer";
import process from "node:process";
import { ResponseOracle } from "../../test/support/response_oracle.mjs";
import { connect as connectTo, openEvent } from "./connect.mjs";

const { port, ca, direction, size, seconds } = JSON.parse(process.argv[2]);
const uploads = direction === "upload";

const PIECE = 256 * 1024;
/** Seconds without a byte in either direction: it has come to a standstill. */
const STALL = 10;

const piece = Buffer.alloc(PIECE, "u");
const request = uploads
  ? `POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: ${size}\r\n\r\n`
  : "GET /download HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

let passes = 0;
const began = performance.now();
const cpu = process.cpuUsage();

/** The connection, and what has come of the response on it. */
let socket;
let toSend = 0;
let oracle;
let head = null;
/** Bytes of content. */
let received = 0;
/** The content, where it is what the server says of an upload. */
let told = "";
let chunked = false;

function fail(why) {
  process.stdout.write(`${JSON.stringify({ error: why })}\n`, () => process.exit(1));
}

function connect() {
  const mine = connectTo(port, ca, {
    onread: {
      buffer: Buffer.alloc(PIECE),
      callback(n, buffer) {
        if (mine === socket) take(buffer.subarray(0, n));
        return true;
      },
    },
  });
  socket = mine;
  oracle = new ResponseOracle("any server");
  mine.setTimeout(STALL * 1000, () => fail(`nothing moved for ${STALL} s`));
  mine.on(openEvent(ca), begin);
  mine.on("drain", send);
  // One that was given up ends as it likes.
  mine.on("error", (error) => mine === socket && fail(error.message));
  mine.on("close", () => mine === socket && fail("it has closed the connection"));
}

function begin() {
  head = null;
  received = 0;
  told = "";
  socket.write(request);
  if (uploads) {
    toSend = size;
    send();
  }
}

function send() {
  while (toSend > 0) {
    const n = Math.min(PIECE, toSend);
    toSend -= n;
    if (!socket.write(n === PIECE ? piece : piece.subarray(0, n))) return;
  }
}

function take(bytes) {
  try {
    oracle.feed(bytes);
    read();
  } catch (error) {
    fail(error.message);
  }
}

function read() {
  if (head === null) {
    head = oracle.readHead(uploads ? "POST" : "GET");
    if (head === null) return;
    if (head.status !== 200) return fail(`it has responded ${head.status} ${head.reason}`);
    if (uploads && head.length === null) return fail("a response to an upload without a length");
    chunked = head.framing === "chunked";
    if (!uploads && !chunked && head.length !== size) return fail(`it announces ${head.length} bytes, not ${size}`);
  }
  for (let piece; (piece = oracle.readContent()) !== null;) {
    received += piece.length;
    if (uploads) told += piece.toString("latin1");
  }
  if (!oracle.isWhole) return;
  if (oracle.rest.length > 0) return fail("more came than was announced");
  if (uploads) {
    if (JSON.parse(told).length !== size) return fail(`it has responded ${told.slice(0, 80)} to ${size} bytes`);
    if (toSend > 0) return fail("it has responded before all was sent");
  } else if (received !== size) return fail(`${received} bytes came, not ${size}`);
  passed();
}

function passed() {
  passes++;
  const took = (performance.now() - began) / 1000;
  if (took < seconds) {
    if (!head.closes) return begin();
    const old = socket;
    connect();
    old.destroy();
    return;
  }
  const { user, system } = process.cpuUsage(cpu);
  const busy = (user + system) / 1e6 / took;
  process.stdout.write(`${JSON.stringify({ passes, seconds: took, busy, chunked })}\n`, () => process.exit());
}

process.stdin.on("end", () => process.exit());
process.stdin.resume();
connect();
