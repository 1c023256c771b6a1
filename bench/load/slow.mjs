// Slow clients: uploads that dribble in, and readers that take long over a large response. A process of its own; its orders are its
// first argument. It says "ready" once all have asked and readers have something to read, or `patience` is over, and goes on until its input ends or says anything; then it tells in a line
// of JSON what they have done.
import net from "node:net";
import process from "node:process";
import { ResponseOracle } from "../../test/support/response_oracle.mjs";

const { port, uploads, uploadSize, uploadStep, readers, readStep, interval, patience } = JSON.parse(process.argv[2]);

const told = { uploadsDone: 0, uploaded: 0, responsesBegun: 0, responsesDone: 0, read: 0, refused: {} };
let begun = 0;

function begins() {
  if (++begun === uploads + readers) ready();
}

let isReady = false;

function ready() {
  if (!isReady) process.stdout.write("ready\n");
  isReady = true;
}

// A server that serves slow clients by a few threads may never get to all.
setTimeout(ready, patience * 1000);

/** What other than 200 is told: these clients may be refused for being slow. */
function refused(what) {
  told.refused[what] = (told.refused[what] ?? 0) + 1;
}

/** Reads what has come of a response. */
class IncomingResponse {
  head = null;
  isWhole = false;
  #oracle = new ResponseOracle("any server");
  #method;

  constructor(method) {
    this.#method = method;
  }

  /** @param {Uint8Array} bytes @returns whether there may be more to read */
  take(bytes) {
    try {
      this.#oracle.feed(bytes);
      if (this.head === null) {
        this.head = this.#oracle.readHead(this.#method);
        if (this.head === null) return true;
        if (this.head.status !== 200) refused(this.head.status);
      }
      while (this.#oracle.readContent() !== null);
    } catch (error) {
      refused(error.message);
      return false;
    }
    this.isWhole = this.#oracle.isWhole;
    return !this.isWhole && this.head.status === 200;
  }
}

const head = `POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: ${uploadSize}\r\n\r\n`;
const piece = Buffer.alloc(uploadStep, "u");

function upload(isFirst) {
  const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
  let left = uploadSize;
  let timer;
  socket.on("connect", () => {
    if (isFirst) begins();
    socket.write(head);
    timer = setInterval(() => {
      const n = Math.min(left, uploadStep);
      if (n === 0) return;
      left -= n;
      told.uploaded += n;
      socket.write(piece.subarray(0, n));
    }, interval);
  });
  const response = new IncomingResponse("POST");
  socket.on("data", (bytes) => {
    if (response.take(bytes)) return;
    if (response.isWhole && response.head.status === 200 && left === 0) told.uploadsDone++;
    socket.destroy();
  });
  again(socket, () => {
    clearInterval(timer);
    upload(false);
  });
}

function read(isFirst) {
  // A socket that reads into a buffer of so many bytes, and pauses when that is full: nothing is read ahead of us, but by the kernel.
  const response = new IncomingResponse("GET");
  let hasHead = false;
  let timer;
  const socket = net.connect({
    host: "127.0.0.1",
    port,
    onread: {
      buffer: Buffer.alloc(readStep),
      callback(n, buffer) {
        told.read += n;
        const goesOn = response.take(buffer.subarray(0, n));
        if (!hasHead && response.head !== null) {
          hasHead = true;
          if (response.head.status === 200) told.responsesBegun++;
          if (isFirst) begins();
        }
        if (!goesOn) {
          if (response.isWhole) told.responsesDone++;
          socket.destroy();
        }
        return false;
      },
    },
  });
  socket.on("connect", () => {
    socket.write("GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    timer = setInterval(() => socket.resume(), interval);
  });
  again(socket, () => {
    clearInterval(timer);
    read(false);
  });
}

function again(socket, next) {
  socket.on("error", (error) => {
    told.refused[error.code] = (told.refused[error.code] ?? 0) + 1;
  });
  // Not at once, where a server refuses.
  socket.on("close", () => setTimeout(next, interval));
}

for (let i = 0; i < uploads; i++) upload(true);
for (let i = 0; i < readers; i++) read(true);

process.stdin.on("data", () => process.stdout.write(`${JSON.stringify(told)}\n`, () => process.exit()));
process.stdin.on("end", () => process.exit());
