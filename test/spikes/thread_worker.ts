/** The thread's side of thread_executor.ts. Handlers here block: for content, and for room for what they write. */
import { parentPort, workerData } from "node:worker_threads";
import { reasonOf } from "../../src/protocol/status.ts";
import * as ring from "./thread_ring.ts";

/** Thrown through the handler from whichever call it is blocked in. */
class Gone extends Error {}

const line = new ring.SharedLine(workerData as SharedArrayBuffer);
const { words, toThread, toMain } = line;
const { BELL, WAKING, WANTED, CANCELLED, GATE } = ring.SharedLine;
/** In place of a request's number: for what no peer can stop. */
const ALWAYS = -1;
/** Handlers that were stopped because their peer had gone. */
let cancelled = 0;

/** Blocks until `look` gives something; with a request's number, also until that request's peer is gone. */
function blockFor<T>(number: number, look: () => T | null): T {
  for (;;) {
    const bell = Atomics.load(words, BELL);
    if (Atomics.load(words, CANCELLED) === number) throw new Gone();
    const found = look();
    if (found !== null) return found;
    Atomics.wait(words, BELL, bell);
  }
}

function wakeMain(): void {
  if (Atomics.exchange(words, WAKING, 1) === 0) parentPort!.postMessage(null);
}

function put(number: number, kind: number, bytes: Uint8Array): void {
  let at = 0;
  do {
    const room = blockFor(number, () => toMain.room);
    const piece = bytes.subarray(at, at + ring.SLOT_SIZE);
    room.set(piece);
    at += piece.length;
    toMain.put(at === bytes.length ? kind : kind | ring.MORE, piece.length);
    wakeMain();
  } while (at < bytes.length);
}

function takeRecord(number: number): { kind: number; bytes: Uint8Array } {
  const kind = blockFor(number, () => toThread.kind || null);
  const bytes = toThread.bytes.slice();
  toThread.take();
  wakeMain();
  return { kind, bytes };
}

class ThreadRequest {
  readonly head: ring.SentHead;
  trailers: [name: string, value: string][] | null = null;
  #ended = false;

  constructor(head: ring.SentHead) {
    this.head = head;
  }

  /** Blocks until there is content. @returns null at its end */
  read(): Uint8Array | null {
    const { number } = this.head;
    if (this.#ended) return null;
    if (Atomics.exchange(words, WANTED, number) !== number) wakeMain();
    let text = "";
    do {
      const { kind, bytes } = takeRecord(number);
      if (kind === ring.DATA) return bytes;
      text += Buffer.from(bytes).toString("latin1");
      this.#ended = kind === ring.BODY_END;
    } while (!this.#ended);
    this.trailers = JSON.parse(text) as [string, string][] | null;
    return null;
  }

  respond(status: number, fields: [string, string][] = [], length = -1): void {
    const answer: ring.SentAnswer = { status, reason: reasonOf(status), fields, length };
    put(this.head.number, ring.ANSWER, Buffer.from(JSON.stringify(answer), "latin1"));
  }

  /** Blocks until there is room. */
  write(bytes: Uint8Array | string): void {
    put(this.head.number, ring.DATA, Buffer.from(bytes));
  }

  end(trailers: [string, string][] | null = null): void {
    put(this.head.number, ring.ANSWER_END, Buffer.from(JSON.stringify(trailers), "latin1"));
  }
}

const routes: Record<string, (request: ThreadRequest) => void> = {
  "/hello"(request) {
    const content = `${request.head.method} ${request.head.fields.find(([name]) => name === "Who")?.[1]}, ${cancelled} cancelled`;
    request.respond(200, [["Content-Type", "text/plain"]], content.length);
    request.write(content);
    request.end();
  },
  "/glance"(request) {
    request.read();
    request.respond(204, [["Seen", "glance"]]);
    request.end();
  },
  "/count"(request) {
    let count = 0;
    for (let bytes = request.read(); bytes !== null; bytes = request.read()) count += bytes.length;
    const content = `${count} bytes`;
    request.respond(200, [], content.length);
    request.write(content);
    request.end();
  },
  "/echo"(request) {
    request.respond(200);
    for (let bytes = request.read(); bytes !== null; bytes = request.read()) request.write(bytes);
    request.end(request.trailers);
  },
  "/large"(request) {
    request.respond(200, [], 1 << 20);
    request.write("x".repeat((1 << 20) - 3) + "end");
    request.end();
  },
  "/endless"(request) {
    request.respond(200);
    for (;;) request.write(Buffer.alloc(1000, "x"));
  },
  "/block"(request) {
    request.respond(200);
    request.write("begun,");
    Atomics.wait(words, GATE, 0);
    request.write("done");
    request.end();
  },
  "/too-much"(request) {
    request.respond(200, [], 3);
    request.write("four");
    for (;;) request.read();
  },
};

for (;;) {
  let text = "";
  for (let kind = 0; kind !== ring.HEAD;) {
    const record = takeRecord(ALWAYS);
    kind = record.kind;
    // What the last handler left unread stands in front of the head.
    if ((kind & ~ring.MORE) === ring.HEAD) text += Buffer.from(record.bytes).toString("latin1");
  }
  const request = new ThreadRequest(JSON.parse(text) as ring.SentHead);
  try {
    routes[request.head.target](request);
  } catch (error) {
    if (error instanceof Gone) cancelled++;
  }
  // Also when the peer is gone: the main thread goes on taking, so there will be room.
  put(ALWAYS, ring.SETTLED, new Uint8Array(0));
}
