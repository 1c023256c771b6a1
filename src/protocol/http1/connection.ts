/**
 * One HTTP/1.0 or HTTP/1.1 connection (RFC 9112). It reads heads, starts exchanges one at a time and in order, reads content as fast as
 * handlers want it, and refuses what is malformed. It does no I/O and has no clock of its own: see ../connection.ts.
 *
 *   HEAD ──head complete──► EXCHANGE ──handler settled──► DRAIN ──content read or dropped──► HEAD
 *     any ──fault, timeout, Connection: close, shutdown──► CLOSING
 *
 * Bytes that arrive while an exchange runs wait in `input`: its content, and maybe later requests. `wantsRead` limits how many.
 */
import { BODY_INCOMPLETE, BODY_TIMEOUT, HEAD_INCOMPLETE, HEAD_TIMEOUT, type ProtocolError } from "../errors.ts";
import type { Connection, Host } from "../connection.ts";
import type { ConnectionInfo, GoneReason } from "../exchange.ts";
import type { Limits } from "../limits.ts";
import { SendBuffer } from "../send_buffer.ts";
import { type BodyReader, CountedReader, END, FAULT, NO_BODY } from "./body_reader.ts";
import { ChunkedReader } from "./chunked_reader.ts";
import { Http1Exchange, LOOK_AHEAD } from "./exchange.ts";
import { giveReader, type HeadReader, takeReader } from "./request_head.ts";
import { ReceiveBuffer } from "../receive_buffer.ts";
import type { Http1Settings } from "./settings.ts";
import { writeErrorResponse } from "./error_response.ts";

const HEAD = 0;
const EXCHANGE = 1;
const DRAIN = 2;
const CLOSING = 3;

/** Output of at least this size leaves at once, and does not wait for the end of the turn. In bytes. */
const BATCH = 16 * 1024;
/** While output of at least this size waits to leave, writers are asked to wait, and no further request is started. In bytes. */
const HIGH_WATER = 64 * 1024;

/** The protocol of one HTTP/1 connection. Its carrier uses the members of `Connection`; the others are for its exchanges. */
export class Http1Connection implements Connection {
  /** @internal */
  readonly output: SendBuffer;
  /** The client has ended its side. @internal */
  ended = false;
  /** @internal */
  stopping = false;
  closing: "end" | "cut" | "reset" | null = null;
  /** @internal */
  readonly settings: Http1Settings;

  readonly #host: Host;
  readonly #limits: Limits;
  readonly #input = new ReceiveBuffer();
  /** The reader of a head that has come in part; null otherwise. */
  #reader: HeadReader | null = null;
  #phase = HEAD;
  #exchange: Http1Exchange | null = null;
  #isAdvancing = false;
  /** An exchange was released, and its response should leave. */
  #responseComplete = false;
  /** `Host.wake` is to be called when `#advance` ends. */
  #wakesHost = false;
  /** The next request waits for earlier responses to leave. */
  #isStalled = false;
  /** How long the connection may be idle before its next request, in milliseconds. */
  #idleTime: number;
  /** The deadline of the present phase, by the host's clock. */
  #deadline: number;
  /** The deadline is that of a head, not of an idle connection. The deadline of the first head runs from the connection's opening. */
  #hasHeadBegun = true;

  /** @param host carries the connection; its `start` is called with each exchange */
  constructor(host: Host, settings: Http1Settings) {
    const { limits, pool } = settings;
    this.#host = host;
    this.settings = settings;
    this.#limits = limits;
    this.output = new SendBuffer(pool);
    this.#deadline = host.now + limits.headTimeout;
    this.#idleTime = limits.keepAliveTimeout;
  }

  /** What is known of the connection before its first byte: what its host says. */
  get info(): ConnectionInfo {
    return this.#host.info;
  }

  get wantsRead(): boolean {
    if (this.ended) return false;
    if (this.#phase === HEAD) return !this.#isStalled;
    if (this.#phase !== EXCHANGE || this.#exchange!.refused) return true;
    // A handler that waits needs more than has come, even if the input is not empty: an incomplete trailer section stays there.
    const exchange = this.#exchange!;
    return exchange.waiting || this.#input.length < exchange.lookAhead;
  }

  get deadline(): number {
    if (this.#phase === HEAD && !this.#hasHeadBegun && this.output.isLeaving) return Infinity; // not idle yet
    if (this.#phase !== EXCHANGE) return this.#deadline;
    // A tunnel may be silent for any time.
    const exchange = this.#exchange!;
    return exchange.waiting && !exchange.tunnel ? exchange.waitingSince + exchange.bodyBudget : Infinity;
  }

  receive(bytes: Uint8Array, length: number = bytes.length): void {
    // The bytes are read and dropped, so that a reset does not overtake the last response (§9.6).
    if (this.#phase === CLOSING || this.#exchange?.refused === true) return;
    this.#input.feed(bytes, length);
    if (this.#exchange?.waiting === true) this.#contentArrived(this.#exchange);
    this.#advance();
    this.#input.keep();
  }

  receiveEnd(): void {
    if (this.ended) return;
    this.ended = true;
    const exchange = this.#exchange;
    if (exchange !== null) {
      if (exchange.waiting) this.#contentArrived(exchange);
      else if (!exchange.refused) exchange.sink.onGone({ kind: "half-closed" });
    }
    this.#advance();
  }

  lost(why: GoneReason): void {
    this.ended = true;
    this.#phase = CLOSING;
    this.#deadline = Infinity;
    this.#input.drop();
    this.#exchange?.cutOff(this.output.unsent);
    this.output.clear();
    this.#reportGone(why);
  }

  pull(): Uint8Array | null {
    let batch = this.output.pull();
    if (!this.#isFull) {
      const exchange = this.#exchange;
      if (exchange?.full === true) {
        exchange.full = false;
        exchange.sink.onWritable();
      }
      if (this.#isStalled) {
        this.#isStalled = false;
        this.#advance();
        this.#input.keep();
      }
      // There may have been no batch, if bytes that were lent were the last of the output. Advancing may have made one.
      batch ??= this.output.pull();
    }
    return batch;
  }

  recycle(batch: Uint8Array): void {
    this.output.recycle(batch);
    if (this.#phase === HEAD && !this.#hasHeadBegun) this.#deadline = this.#host.now + this.#idleTime;
  }

  tick(): void {
    if (this.#host.now < this.deadline) return;
    switch (this.#phase) {
      case HEAD:
        // An idle connection is closed without a response. A head that has begun and is not complete gets one.
        if (this.#hasRequestLineBegun) this.#refuse(HEAD_TIMEOUT);
        else this.close("end");
        break;
      case EXCHANGE:
        this.#refuse(BODY_TIMEOUT);
        break;
      case DRAIN:
        this.#host.refused(BODY_TIMEOUT, null);
        this.close("end");
        break;
    }
  }

  stop(): void {
    this.stopping = true;
    this.#idleTime = Infinity;
  }

  shutdown(grace = 0): void {
    this.stopping = true;
    const { now } = this.#host;
    const { drainTimeout, keepAliveTimeout } = this.#limits;
    this.#idleTime = Math.min(grace, keepAliveTimeout);
    const isIdle = this.#phase === HEAD && !this.#hasRequestLineBegun;
    if (grace === 0 && (isIdle || this.#phase === DRAIN)) this.close("end");
    else if (isIdle && !this.#isStalled) {
      this.#hasHeadBegun = false;
      this.#deadline = Math.min(this.#deadline, now + grace);
    }
    // A head that has begun, or content that is being dropped, may still come to its end, but only for `drainTimeout`.
    else if (this.#phase !== EXCHANGE) this.#deadline = Math.min(this.#deadline, now + drainTimeout);
  }

  // The members of ExchangeOwner, for exchanges: see exchange.ts.

  /** @internal */
  wake(now: boolean): void {
    // While advancing, one call at the end is enough: a handler may respond and settle in the call that starts it.
    if (!now && this.#isAdvancing) this.#wakesHost = true;
    else this.#host.wake(now);
  }

  /** @internal */
  wrote(): boolean {
    this.wake(this.output.length >= BATCH);
    return this.#isFull;
  }

  get #isFull(): boolean {
    return this.output.length >= HIGH_WATER || this.output.lends;
  }

  /** @internal */
  readBody(exchange: Http1Exchange, to: Uint8Array, at: number, max: number): number {
    if (this.#phase === CLOSING || exchange.refused) return 0; // the handler has given up, or the content is malformed
    const input = this.#input;
    const before = input.length;
    const n = exchange.body.read(input, to, at, max);
    const bound = exchange.lookAhead;
    if (before >= bound && input.length < bound) this.#host.wake(false);
    if (n > 0) {
      exchange.bytesReceived += n;
      if (exchange.body.remaining !== 0) exchange.earn(n);
    } else if (n === FAULT) {
      this.#refuse(exchange.body.error!);
      return 0;
    } else if (n === 0) {
      if (this.ended) {
        if (exchange.tunnel) return END; // the content of a tunnel ends when the client ends its side
        this.#refuse(BODY_INCOMPLETE);
      } else if (!exchange.waiting) {
        exchange.waiting = true;
        exchange.waitingSince = this.#host.now;
        if (input.length >= bound) this.#host.wake(false); // `wantsRead` has become true
      }
    }
    return n;
  }

  /** @internal */
  peerWatched(): void {
    if (this.#input.length >= LOOK_AHEAD) this.#host.wake(false);
  }

  /** If this is true, the response does not say `Connection: close`, and `#drain` keeps the promise. @internal */
  canDrain(body: BodyReader, continueOwed: boolean): boolean {
    const { remaining } = body;
    if (remaining === 0) return true;
    // A client that still waits for 100 (Continue) may send its content now, or not at all (RFC 9110 §10.1.1): all of it must be here.
    if (continueOwed) return remaining > 0 && remaining <= this.#input.length;
    return remaining <= this.#limits.maxDrainSize;
  }

  /** @internal */
  close(how: "end" | "cut" | "reset"): void {
    if (this.#phase === CLOSING && this.closing !== "end") return;
    this.#phase = CLOSING;
    this.#isStalled = false;
    this.closing = how;
    this.#deadline = Infinity;
    this.#input.drop();
    if (this.#exchange?.done === true) this.#exchange = null;
    this.#host.wake(true);
  }

  /** @internal */
  released(exchange: Http1Exchange): void {
    if (this.#exchange !== exchange) return;
    if (this.#phase === CLOSING) this.#exchange = null;
    if (exchange.hasWatcher) this.output.watch(exchange);
    this.#responseComplete = true;
    if (!this.#isAdvancing) {
      this.#advance();
      this.#input.keep();
    }
  }

  /** Goes from phase to phase as far as the bytes and the handlers allow. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (this.#step());
    this.#isAdvancing = false;
    const wakes = this.#wakesHost || this.#responseComplete;
    this.#wakesHost = false;
    if (this.#responseComplete && this.#phase !== EXCHANGE) {
      this.#responseComplete = false;
      this.#host.responseComplete();
    } else if (wakes) {
      // Another request of the same batch runs: this response waits for that one, until the end of the turn at most.
      this.#responseComplete = false;
      this.#host.wake(false);
    }
  }

  /** @returns whether there may be more to do */
  #step(): boolean {
    switch (this.#phase) {
      case HEAD:
        return this.#readHead();
      case EXCHANGE: {
        const exchange = this.#exchange!;
        if (!exchange.done) return false;
        if (exchange.body.remaining === 0 && exchange.persistent && (this.#idleTime > 0 || !this.stopping)) {
          this.#awaitHead(); // the usual case: no content is left to drop
          return true;
        }
        this.#phase = DRAIN;
        this.#deadline =
          this.#host.now + Math.min(exchange.bodyBudget, this.stopping ? this.#limits.drainTimeout : Infinity);
        return true;
      }
      case DRAIN:
        return this.#drain();
      default:
        this.#input.drop();
        return false;
    }
  }

  #readHead(): boolean {
    const input = this.#input;
    if (input.length === 0) {
      if (this.ended) this.close("end");
      return false;
    }
    if (this.output.length >= HIGH_WATER) {
      this.#isStalled = true;
      return false;
    }
    const reader = this.#reader ?? takeReader(this.#limits);
    const length = reader.read(input.bytes, input.pos, input.end);
    if (length <= 0) this.#reader = reader;
    if (length === 0) {
      if (this.ended) {
        if (reader.started) this.#refuse(HEAD_INCOMPLETE);
        else this.close("end");
      } else if (!this.#hasHeadBegun) {
        // The deadline runs from the head's first byte, even if that is an empty line's. Further bytes do not postpone it.
        this.#hasHeadBegun = true;
        this.#deadline = this.#host.now + (this.stopping ? this.#limits.drainTimeout : this.#limits.headTimeout);
      }
      return false;
    }
    if (length < 0) {
      this.#refuse(reader.error!);
      return true;
    }
    const head = reader.take(input.bytes, input.pos, length);
    input.pos += length;
    giveReader(reader);
    this.#reader = null;
    let body = NO_BODY;
    if (head.chunked) body = new ChunkedReader(this.#limits);
    else if (head.contentLength > 0) {
      body = new CountedReader(head.contentLength);
      body.limit(this.#limits.maxBodySize);
    }
    const exchange = new Http1Exchange(this, head, body, this.#limits);
    this.#exchange = exchange;
    this.#phase = EXCHANGE;
    this.#host.start(exchange);
    // If the client had ended its side before this request was read, its handler is told as well.
    if (this.ended && this.#exchange === exchange && !exchange.done && !exchange.refused)
      exchange.sink.onGone({ kind: "half-closed" });
    return true;
  }

  /** Whether the request line of the next head has begun to come; empty lines before it do not count. */
  get #hasRequestLineBegun(): boolean {
    return this.#reader?.started === true;
  }

  /** Drops content that the handler has not read, so that it is never taken for a request. */
  #drain(): boolean {
    const exchange = this.#exchange!;
    if (!exchange.persistent || (this.stopping && this.#idleTime === 0)) {
      this.close("end");
      return true;
    }
    const n = exchange.body.read(this.#input, null, 0, Infinity);
    if (n === END) {
      this.#awaitHead();
      return true;
    }
    if (n === FAULT || (n === 0 && this.ended)) {
      // The response has been sent, and the rest of the content is malformed or will not come: the connection cannot go on.
      if (n === FAULT) this.#host.refused(exchange.body.error!, null);
      this.close("end");
      return true;
    }
    if (n > 0 && !this.stopping) {
      // The client has as much time as if a handler waited for the content.
      exchange.bodyBudget = this.#deadline - this.#host.now;
      exchange.earn(n);
      this.#deadline = this.#host.now + exchange.bodyBudget;
    }
    return n > 0;
  }

  #awaitHead(): void {
    this.#exchange = null;
    this.#phase = HEAD;
    this.#hasHeadBegun = false;
    this.#deadline = this.#host.now + this.#idleTime;
  }

  /** Content, or the end of the client's side, has come for an exchange whose handler waits. */
  #contentArrived(exchange: Http1Exchange): void {
    exchange.bodyBudget -= this.#host.now - exchange.waitingSince;
    exchange.waiting = false;
    exchange.sink.onReadable();
  }

  /** The client has broken the protocol, or is too slow: it gets an error response, if none has begun, and the connection closes. */
  #refuse(error: ProtocolError): void {
    const exchange = this.#exchange;
    if (exchange === null) {
      const { bytes, pos } = this.#input;
      const isHead = this.#reader?.method(bytes, pos) === "HEAD";
      writeErrorResponse(this.output, error, this.#host.date, this.settings.ownLines, isHead);
      this.close("end");
      this.#host.refused(error, null);
      return;
    }
    this.#host.refused(error, exchange);
    const kind = error.status === 408 ? "timeout" : "malformed";
    if (!exchange.hasBegun) {
      // The executor sends the response, so that the handler's class can shape it.
      exchange.refuse();
      this.#input.drop();
      exchange.sink.onGone({ kind, error, canRespond: true });
    } else {
      this.close(exchange.howToBreakOff);
      this.#reportGone({ kind, error });
    }
  }

  /** Tells a running exchange, as its last call, that its client is gone. */
  #reportGone(why: GoneReason): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange === null || exchange.gone !== null) return;
    exchange.gone = why;
    exchange.waiting = exchange.full = false;
    if (!exchange.done) exchange.sink.onGone(why);
  }
}
