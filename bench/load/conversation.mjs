// Talks with a server, to see whether its responses are right before they are counted: wrk looks at the status only.
import { takeResponses, valueOf } from "../../test/support/response_oracle.mjs";
import { connect } from "./connect.mjs";

/** Seconds after which a response, or the end of a connection, does not come any more. */
const PATIENCE = 15;

/**
 * Takes the responses that are whole from the front of what has come. Interim ones (1xx) are left out.
 * @param {Buffer} received
 * @param {boolean} ended nothing comes any more: it may be the end of a response without a length
 * @returns {{ responses: { status: number, type: string, body: string, length: number, closes: boolean }[], used: number }} `length`: in bytes,
 * with the head; `closes`: the connection ends with it
 * @throws {MalformedResponse}
 */
export function takeFinalResponses(received, ended = false) {
  const all = takeResponses(received, { ended, sender: "any server" });
  const responses = all.responses
    .filter(({ status }) => status >= 200)
    .map(({ status, fields, content, size, closes }) => ({
      status,
      type: valueOf(fields, "content-type") ?? "",
      body: content.toString("utf8"),
      length: size,
      closes,
    }));
  return { responses, used: received.length - all.rest.length };
}

/**
 * Sends one piece after another, each when all responses to the one before are there, on one connection as long as the server keeps it.
 * @param {number} port
 * @param {readonly { bytes: Uint8Array, count: number }[]} pieces `count`: of the requests in it
 * @param {boolean} ends each response must be the last one of its connection, whether it says so or not
 * @param {string} [ca] the certificate that is trusted: TLS is spoken then
 * @returns all responses, in their order
 */
export async function converse(port, pieces, ends = false, ca = undefined) {
  const all = [];
  let connection;
  try {
    for (const { bytes, count } of pieces) {
      connection ??= new Conversation(port, ca);
      const responses = await connection.ask(bytes, count);
      all.push(...responses);
      if (ends && !responses.at(-1).closes) await connection.ended();
      if (ends || responses.at(-1).closes) {
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

  constructor(port, ca) {
    this.#socket = connect(port, ca);
    this.#socket.setTimeout(PATIENCE * 1000, () => this.#end(`no response in ${PATIENCE} s`));
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
    const { count, resolve, reject } = this.#waiting;
    let taken;
    try {
      taken = takeFinalResponses(this.#received, ended);
    } catch (error) {
      this.#waiting = null;
      return reject(error);
    }
    const { responses, used } = taken;
    if (responses.length < count) return;
    this.#received = this.#received.subarray(used);
    this.#waiting = null;
    if (responses.length === count) resolve(responses);
    else reject(new Error(`${responses.length} responses to ${count} requests`));
  }

  #end(why) {
    this.#look(true);
    this.#waiting?.reject(new Error(why));
    this.#waiting = null;
    this.#socket.destroy();
  }
}
