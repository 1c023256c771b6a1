// A small HTTP/1 client for load: one connection, one request at a time, preformatted bytes out.
import { ResponseOracle } from "../../test/support/response_oracle.mjs";
import { connect } from "./connect.mjs";

/** The bytes of a request. */
export function format(method, path, body = "", fields = "") {
  const type = body === "" ? "" : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${type}${fields}\r\n${body}`);
}

/** Seconds after which a response does not come any more. */
const PATIENCE = 30;

export class Connection {
  #socket;
  #oracle = new ResponseOracle("any server");
  #head = null;
  #pieces = [];
  #onResponse = null;
  #onClose;
  closed = false;

  /**
   * @param {number} port on 127.0.0.1
   * @param {(connection: Connection) => void} onClose called once, for whatever reason it has closed
   * @param {string | readonly string[]} [ca] the certificates that are trusted: it speaks TLS then
   */
  constructor(port, onClose = () => {}, ca = undefined) {
    this.#onClose = onClose;
    this.#socket = connect(port, ca);
    this.#socket.on("data", (bytes) => this.#read(() => this.#oracle.feed(bytes)));
    this.#socket.on("end", () => this.#read(() => this.#oracle.end()));
    this.#socket.on("error", (error) => this.#fail(error.code ?? error.message));
    this.#socket.on("close", () => this.#fail("closed"));
    this.#socket.setTimeout(PATIENCE * 1000, () => {
      if (!this.busy) return;
      this.#socket.destroy();
      this.#fail(`no response in ${PATIENCE} s`);
    });
  }

  /** Whether a request waits for its response. */
  get busy() {
    return this.#onResponse !== null;
  }

  /**
   * @param {Uint8Array} bytes a whole request
   * @param {(error: string | null, status: number, body: string) => void} onResponse
   */
  send(bytes, onResponse) {
    this.#onResponse = onResponse;
    if (this.closed) this.#respond("closed", 0, "");
    else this.#socket.write(bytes);
  }

  close() {
    this.#socket.destroy();
    this.#fail("closed");
  }

  /** @param {() => void} take tells the oracle what has come */
  #read(take) {
    if (this.closed) return;
    if (!this.busy) return this.close(); // an end, or bytes that no request has asked for
    try {
      take();
      while (this.#head === null || this.#head.status < 200) {
        this.#head = this.#oracle.readHead("GET");
        if (this.#head === null) return;
      }
      for (let piece; (piece = this.#oracle.readContent()) !== null;) this.#pieces.push(piece);
      if (!this.#oracle.isWhole) return;
      if (this.#oracle.rest.length > 0) throw new Error("more than one response to a request");
    } catch (error) {
      this.#socket.destroy();
      return this.#fail(error.name === "IncompleteResponse" ? "closed" : error.message);
    }
    const { status, closes } = this.#head;
    const body = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#head = null;
    this.#pieces = [];
    if (closes) {
      this.closed = true;
      this.#socket.destroy();
    }
    this.#respond(null, status, body.toString());
  }

  #respond(error, status, body) {
    const onResponse = this.#onResponse;
    this.#onResponse = null;
    onResponse?.(error, status, body);
  }

  #fail(why) {
    this.closed = true;
    this.#respond(why, 0, "");
    const onClose = this.#onClose;
    this.#onClose = () => {};
    onClose(this);
  }
}

/** Asks once, on a connection of its own. Rejects where no response comes. @param {string | readonly string[]} [ca] as of a Connection */
export function ask(port, bytes, ca) {
  return new Promise((resolve, reject) => {
    const connection = new Connection(port, undefined, ca);
    connection.send(bytes, (error, status, body) => {
      connection.close();
      if (error === null) resolve({ status, body });
      else reject(new Error(`no response on port ${port}: ${error}`));
    });
  });
}

/**
 * Keeps `count` requests under way, each connection's next when it has its response, until `stop()` is called, which waits for those
 * under way and gives how many got a 200 while it went, and what else came.
 * @param {() => Uint8Array} nextRequest
 * @param {{ ca?: string | readonly string[], expect?: string }} how `ca`: as of a Connection; `expect`: what the content of a 200 must be like
 */
export function keepAsking(port, count, nextRequest, { ca, expect = "" } = {}) {
  const expected = new RegExp(expect);
  const open = () => new Connection(port, undefined, ca);
  const started = performance.now();
  const responses = new Map();
  let stopping = false;
  let responded = 0;
  const loops = Array.from({ length: count }, async () => {
    let connection = open();
    while (!stopping) {
      if (connection.closed) connection = open();
      const bytes = nextRequest();
      if (bytes === null) break;
      const what = await new Promise((resolve) => {
        connection.send(bytes, (error, status, body) => {
          const isRight = status !== 200 || expected.test(body);
          resolve(error ?? (isRight ? String(status) : `responded ${body.slice(0, 40)}`));
        });
      });
      if (!stopping || what !== "200") responses.set(what, (responses.get(what) ?? 0) + 1);
      if (!stopping && what === "200") responded++;
    }
    connection.close();
  });
  const done = Promise.all(loops);
  return {
    done,
    async stop() {
      stopping = true;
      const seconds = (performance.now() - started) / 1000;
      const result = { responded, seconds, responses: Object.fromEntries(responses) };
      await done;
      return { ...result, responses: Object.fromEntries(responses) };
    },
  };
}
