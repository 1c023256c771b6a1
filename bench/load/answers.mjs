// Reads answers, to see whether they are right before they are counted: what wrk looks at is the status only.
import net from "node:net";

/** Seconds after which an answer does not come any more, or an end. */
const PATIENCE = 15;

/**
 * Takes whole answers from the front of what has come.
 * @param {Buffer} received
 * @param {boolean} ended nothing comes any more: it may be the end of an answer without a length
 * @returns {{ answers: { status: number, type: string, body: string, length: number, closes: boolean }[], used: number }} `length`: in bytes, with
 * the head; `closes`: it says that the connection ends with it
 */
export function readAnswers(received, ended = false) {
  const answers = [];
  let used = 0;
  for (;;) {
    const end = received.indexOf("\r\n\r\n", used);
    if (end < 0) return { answers, used };
    const head = received.toString("latin1", used, end);
    const field = (name) => new RegExp(`\\r\\n${name}:[ \\t]*([^\\r\\n]*)`, "i").exec(head)?.[1];
    const body = readBody(received.subarray(end + 4), field, ended);
    if (body === undefined) return { answers, used };
    answers.push({
      status: Number(head.slice(9, 12)),
      type: field("content-type") ?? "",
      body: body.text,
      length: end + 4 - used + body.used,
      closes: /^close$/i.test(field("connection") ?? "") || head.startsWith("HTTP/1.0"),
    });
    used = end + 4 + body.used;
  }
}

/** Content by its length, in chunks, or up to the end; undefined while it is not all there. */
function readBody(rest, field, ended) {
  const length = field("content-length");
  if (length !== undefined) {
    const n = Number(length);
    return rest.length < n ? undefined : { text: rest.toString("utf8", 0, n), used: n };
  }
  if (!/\bchunked$/i.test(field("transfer-encoding") ?? ""))
    return ended ? { text: rest.toString("utf8"), used: rest.length } : undefined;
  const pieces = [];
  let at = 0;
  for (;;) {
    const line = rest.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = Number.parseInt(rest.toString("latin1", at, line), 16);
    const next = line + 2 + size + 2;
    if (rest.length < next) return undefined;
    if (size === 0) return { text: Buffer.concat(pieces).toString("utf8"), used: next };
    pieces.push(rest.subarray(line + 2, line + 2 + size));
    at = next;
  }
}

/**
 * Sends one piece after another, each when all answers to the one before are there, on one connection as long as the server keeps it.
 * @param {number} port
 * @param {readonly { bytes: Uint8Array, count: number }[]} pieces `count`: of the requests in it
 * @param {boolean} ends each answer must be the last one of its connection, whether it says so or not
 * @returns all answers, in their order
 */
export async function converse(port, pieces, ends = false) {
  const all = [];
  let connection;
  try {
    for (const { bytes, count } of pieces) {
      connection ??= new Conversation(port);
      const answers = await connection.ask(bytes, count);
      all.push(...answers);
      if (ends && !answers.at(-1).closes) await connection.ended();
      if (ends || answers.at(-1).closes) {
        connection.close();
        connection = undefined;
      }
    }
  } finally {
    connection?.close();
  }
  return all;
}

class Conversation {
  #socket;
  #received = Buffer.alloc(0);
  #waiting = null;
  #whenClosed;

  constructor(port) {
    this.#socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
    this.#socket.setTimeout(PATIENCE * 1000, () => this.#end(`no answer in ${PATIENCE} s`));
    this.#socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#look(false);
    });
    this.#socket.on("error", (error) => this.#end(error.code ?? error.message));
    this.#whenClosed = new Promise((resolve) => this.#socket.on("close", resolve));
    this.#socket.on("close", () => this.#end("the connection was closed"));
  }

  ask(bytes, count) {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error("the connection was closed"));
      this.#waiting = { count, resolve, reject };
      this.#socket.write(bytes);
    });
  }

  close() {
    this.#socket.destroy();
  }

  /** Rejects when the server keeps it open. */
  async ended() {
    const began = performance.now();
    await this.#whenClosed;
    if (performance.now() - began >= PATIENCE * 1000) throw new Error("it keeps the connection open");
  }

  #look(ended) {
    if (this.#waiting === null) return;
    const { answers, used } = readAnswers(this.#received, ended);
    const { count, resolve, reject } = this.#waiting;
    if (answers.length < count) return;
    this.#received = this.#received.subarray(used);
    this.#waiting = null;
    if (answers.length === count) resolve(answers);
    else reject(new Error(`${answers.length} answers to ${count} requests`));
  }

  #end(why) {
    this.#look(true);
    this.#waiting?.reject(new Error(why));
    this.#waiting = null;
    this.#socket.destroy();
  }
}
