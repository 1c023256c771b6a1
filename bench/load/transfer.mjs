// Large contents, one after another over one connection (as long as the server keeps it), for so many seconds: sent to /upload, or read from /download. A process of
// its own; its orders are its first argument, its result a line of JSON. It makes no content and keeps none, so that the server is what
// takes the time: `busy` says how much of a core it took itself.
import { Buffer } from "node:buffer";
import net from "node:net";
import process from "node:process";

const { port, direction, size, seconds } = JSON.parse(process.argv[2]);
const uploads = direction === "upload";

const PIECE = 256 * 1024;
/** Seconds without a byte in either direction: it has come to a standstill. */
const STALL = 10;

const piece = Buffer.alloc(PIECE, "u");
const request = uploads
  ? `POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: ${size}\r\n\r\n`
  : "GET /download HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/** The end of content in chunks. */
const LAST_CHUNK = Buffer.from("\r\n0\r\n\r\n");

let passes = 0;
const began = performance.now();
const cpu = process.cpuUsage();

/** The connection, and what has come of the answer on it. */
let socket;
let toSend = 0;
let head = "";
let hasHead = false;
let chunked = false;
let closes = false;
/** Bytes of content, and of the framing of chunks. */
let received = 0;
/** The last bytes of them, in chunks. */
let tail = Buffer.alloc(0);

function fail(why) {
  process.stdout.write(`${JSON.stringify({ error: why })}\n`, () => process.exit(1));
}

function connect() {
  const mine = net.connect({
    host: "127.0.0.1",
    port,
    noDelay: true,
    onread: {
      buffer: Buffer.alloc(PIECE),
      callback(n, buffer) {
        if (mine === socket) read(buffer.subarray(0, n));
        return true;
      },
    },
  });
  socket = mine;
  mine.setTimeout(STALL * 1000, () => fail(`nothing moved for ${STALL} s`));
  mine.on("connect", begin);
  mine.on("drain", send);
  // One that was given up ends as it likes.
  mine.on("error", (error) => mine === socket && fail(error.message));
  mine.on("close", () => mine === socket && fail("it has closed the connection"));
}

function begin() {
  head = "";
  hasHead = false;
  received = 0;
  tail = Buffer.alloc(0);
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

function read(bytes) {
  if (uploads || !hasHead) {
    // An answer to an upload is small.
    head += bytes.toString("latin1");
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const first = !hasHead;
    hasHead = true;
    if (!head.startsWith("HTTP/1.1 200 ")) return fail(`it has answered ${head.split("\r\n")[0]}`);
    closes = /\r\nconnection: *close\r\n/i.test(head);
    if (uploads) return readTold(head.slice(end + 4));
    if (first) {
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
      chunked = /\r\ntransfer-encoding: *chunked\r\n/i.test(head);
      if (!chunked && length !== size) return fail(`it announces ${length} bytes, not ${size}`);
      received = head.length - end - 4;
    }
  } else {
    received += bytes.length;
  }
  if (chunked) {
    // Chunks are not counted one by one, which would be work; their frames are a small part.
    tail = Buffer.concat([tail, bytes.subarray(-LAST_CHUNK.length)]).subarray(-LAST_CHUNK.length);
    if (received >= size && tail.equals(LAST_CHUNK)) passed();
  } else if (received >= size) {
    if (received > size) return fail("more came than was announced");
    passed();
  }
}

/** What it tells of an upload; perhaps not all of it yet. */
function readTold(body) {
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
  if (Number.isNaN(length)) return fail("an answer to an upload without a length");
  if (body.length < length) return;
  if (JSON.parse(body).length !== size) return fail(`it has answered ${body.slice(0, 80)} to ${size} bytes`);
  if (toSend > 0) return fail("it has answered before all was sent");
  passed();
}

function passed() {
  passes++;
  const took = (performance.now() - began) / 1000;
  if (took < seconds) {
    if (!closes) return begin();
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
