/**
 * One HTTP/1.0 or HTTP/1.1 connection (RFC 9112): heads are read, exchanges dispatched one at a time and in order, content is
 * read as fast as handlers want it, and whatever is malformed is refused. No I/O and no clock of its own: see exchange.ts.
 *
 *   HEAD ──head complete──► EXCHANGE ──handler settled──► DRAIN ──content read or dropped──► HEAD
 *     any ──fault, timeout, Connection: close, shutdown──► CLOSING
 *
 * Bytes that arrive while an exchange runs wait in `input`, as many as `wantsRead` allows: its content, and maybe later requests.
 */
import { BODY_INCOMPLETE, BODY_TIMEOUT, HEAD_INCOMPLETE, HEAD_TIMEOUT, type ProtocolError } from "../errors.ts";
import type { Connection, Host } from "../connection.ts";
import type { ConnectionInfo, GoneReason } from "../exchange.ts";
import type { Limits } from "../limits.ts";
import { type ChunkPool, SendBuffer } from "../send_buffer.ts";
import { type BodyReader, CountedReader, END, FAULT, NO_BODY } from "./body_reader.ts";
import { ChunkedReader } from "./chunked_reader.ts";
import { Http1Exchange, LOOK_AHEAD } from "./exchange.ts";
import { giveReader, type HeadReader, takeReader } from "./request_head.ts";
import { ReceiveBuffer } from "../receive_buffer.ts";
import { writeErrorResponse } from "./error_response.ts";

const HEAD = 0;
const EXCHANGE = 1;
const DRAIN = 2;
const CLOSING = 3;

/** With so many bytes ready to leave, they leave without waiting for the end of the turn. */
const BATCH = 16 * 1024;
/** With so many bytes waiting to leave, writers are asked to hold on, and no further request is dispatched. */
const HIGH_WATER = 64 * 1024;

/** The protocol of one HTTP/1 connection. What it offers its carrier is in `Connection`; the rest is for its exchanges. */
export class Http1Connection implements Connection {
  /** @internal */
  readonly output: SendBuffer;
  /** The peer has ended its side. @internal */
  ended = false;
  /** @internal */
  stopping = false;
  closing: "end" | "cut" | "reset" | null = null;
  /** @internal */
  readonly sendsInformational: boolean;

  readonly #host: Host;
  readonly #limits: Limits;
  readonly #input = new ReceiveBuffer();
  /** Of a head that has begun to come. */
  #reader: HeadReader | null = null;
  #phase = HEAD;
  #exchange: Http1Exchange | null = null;
  #advancing = false;
  /** An exchange was released and its response should leave. */
  #responseComplete = false;
  /** Something is to leave by the end of the turn. */
  #wakes = false;
  /** The next request waits for earlier responses to leave. */
  #stalled = false;
  /** How long the connection may wait for its next request. */
  #idleTime: number;
  /** When the phase's deadline comes. */
  #deadline: number;
  /** The deadline is a head's, no longer that of an idle connection. The first head's runs from the connection's opening. */
  #headBegun = true;

  /**
   * @param host who carries it; its `start` is given the exchanges
   * @param pool spare chunks for the output; one may serve many connections
   * @param sendsInformational whether interim responses (1xx) are sent, other than the 100 that a client asks for
   */
  constructor(host: Host, limits: Limits, pool: ChunkPool, sendsInformational: boolean = true) {
    this.#host = host;
    this.sendsInformational = sendsInformational;
    this.#limits = limits;
    this.output = new SendBuffer(pool);
    this.#deadline = host.now + limits.headTimeout;
    this.#idleTime = limits.keepAliveTimeout;
  }

  get info(): ConnectionInfo {
    return this.#host.info;
  }

  get wantsRead(): boolean {
    if (this.ended) return false;
    if (this.#phase === HEAD) return !this.#stalled;
    if (this.#phase !== EXCHANGE || this.#exchange!.refused) return true;
    // A handler that waits needs more than there is, however much lies in the input: an incomplete trailer section stays there.
    const exchange = this.#exchange!;
    return exchange.waiting || this.#input.length < exchange.lookAhead;
  }

  get deadline(): number {
    if (this.#phase === HEAD && !this.#headBegun && this.output.isLeaving) return Infinity; // not idle yet
    if (this.#phase !== EXCHANGE) return this.#deadline;
    // A tunnel may be silent for as long as its ends like.
    const exchange = this.#exchange!;
    return exchange.waiting && !exchange.tunnel ? exchange.waitingSince + exchange.bodyBudget : Infinity;
  }

  receive(bytes: Uint8Array, length: number = bytes.length): void {
    // Read and dropped, so that our last response is not lost to a reset (§9.6).
    if (this.#phase === CLOSING || this.#exchange?.refused === true) return;
    this.#input.feed(bytes, length);
    if (this.#exchange?.waiting === true) this.#arrived(this.#exchange);
    this.#advance();
    this.#input.keep();
  }

  receiveEnd(): void {
    if (this.ended) return;
    this.ended = true;
    const exchange = this.#exchange;
    if (exchange !== null) {
      if (exchange.waiting) this.#arrived(exchange);
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
    this.#tell(why);
  }

  pull(): Uint8Array | null {
    let batch = this.output.pull();
    if (!this.#isFull) {
      const exchange = this.#exchange;
      if (exchange?.full === true) {
        exchange.full = false;
        exchange.sink.onWritable();
      }
      if (this.#stalled) {
        this.#stalled = false;
        this.#advance();
        this.#input.keep();
      }
      // Where bytes that were lent were the last of the output, there was no batch: advancing may have made one.
      batch ??= this.output.pull();
    }
    return batch;
  }

  recycle(batch: Uint8Array): void {
    this.output.recycle(batch);
    if (this.#phase === HEAD && !this.#headBegun) this.#deadline = this.#host.now + this.#idleTime;
  }

  tick(): void {
    if (this.#host.now < this.deadline) return;
    switch (this.#phase) {
      case HEAD:
        // An idle connection is closed without a word; a head begun and not finished gets one.
        if (this.#headStarted) this.#refuse(HEAD_TIMEOUT);
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
    const isIdle = this.#phase === HEAD && !this.#headStarted;
    if (grace === 0 && (isIdle || this.#phase === DRAIN)) this.close("end");
    else if (isIdle && !this.#stalled) {
      this.#headBegun = false;
      this.#deadline = Math.min(this.#deadline, now + grace);
    }
    // What has begun may still be finished, but not at leisure: a head, or content that nobody reads.
    else if (this.#phase !== EXCHANGE) this.#deadline = Math.min(this.#deadline, now + drainTimeout);
  }

  // What follows is for the exchange, whose owner this is: see ExchangeOwner in exchange.ts.

  /** @internal */
  wake(now: boolean): void {
    // Where a handler settles in the very call that it was started in, one word for all of its response will do.
    if (!now && this.#advancing) this.#wakes = true;
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
    if (this.#phase === CLOSING || exchange.refused) return 0; // the handler gave up, or the content is at fault
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
        if (exchange.tunnel) return END; // its content ends with the connection
        this.#refuse(BODY_INCOMPLETE);
      } else if (!exchange.waiting) {
        exchange.waiting = true;
        exchange.waitingSince = this.#host.now;
        if (input.length >= bound) this.#host.wake(false); // more is read all the same
      }
    }
    return n;
  }

  /** @internal */
  watched(): void {
    if (this.#input.length >= LOOK_AHEAD) this.#host.wake(false);
  }

  /** The response says so, and it is kept: see `#drain`. @internal */
  canDrain(body: BodyReader, continueOwed: boolean): boolean {
    const { remaining } = body;
    if (remaining === 0) return true;
    // A client that still waits for 100 (Continue) may send its content now, or not at all (RFC 9110 §10.1.1).
    if (continueOwed) return remaining > 0 && remaining <= this.#input.length;
    return remaining <= this.#limits.maxDrainSize;
  }

  /** @internal */
  close(how: "end" | "cut" | "reset"): void {
    if (this.#phase === CLOSING && this.closing !== "end") return;
    this.#phase = CLOSING;
    this.#stalled = false;
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
    if (!this.#advancing) {
      this.#advance();
      this.#input.keep();
    }
  }

  /** Goes on as far as the bytes and the handlers allow. */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while (this.#step());
    this.#advancing = false;
    const wakes = this.#wakes || this.#responseComplete;
    this.#wakes = false;
    if (this.#responseComplete && this.#phase !== EXCHANGE) {
      this.#responseComplete = false;
      this.#host.responseComplete();
    } else if (wakes) {
      // While another request of the same batch runs, its response may travel with this one: at the end of the turn at the latest.
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
          this.#awaitHead(); // the usual end: there is nothing to drop
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
      this.#stalled = true;
      return false;
    }
    const reader = this.#reader ?? takeReader(this.#limits);
    const length = reader.read(input.bytes, input.pos, input.end);
    if (length <= 0) this.#reader = reader;
    if (length === 0) {
      if (this.ended) {
        if (reader.started) this.#refuse(HEAD_INCOMPLETE);
        else this.close("end");
      } else if (!this.#headBegun) {
        // From its first byte on, be it an empty line's, a head has an absolute deadline: dripping does not put it off.
        this.#headBegun = true;
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
    // The client had ended its side before this request was read: its handler is told as well.
    if (this.ended && this.#exchange === exchange && !exchange.done && !exchange.refused)
      exchange.sink.onGone({ kind: "half-closed" });
    return true;
  }

  /** Whether more than empty lines has come of the next head. */
  get #headStarted(): boolean {
    return this.#reader?.started === true;
  }

  /** Drops what the handler left unread of the content, so that none of it is ever taken for a request. */
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
      // Its response is out already, or nothing more will come: the connection is of no use any more.
      if (n === FAULT) this.#host.refused(exchange.body.error!, null);
      this.close("end");
      return true;
    }
    if (n > 0 && !this.stopping) {
      // The peer has as much time as where a handler waits for the content.
      exchange.bodyBudget = this.#deadline - this.#host.now;
      exchange.earn(n);
      this.#deadline = this.#host.now + exchange.bodyBudget;
    }
    return n > 0;
  }

  #awaitHead(): void {
    this.#exchange = null;
    this.#phase = HEAD;
    this.#headBegun = false;
    this.#deadline = this.#host.now + this.#idleTime;
  }

  /** Something came for an exchange whose handler waits. */
  #arrived(exchange: Http1Exchange): void {
    exchange.bodyBudget -= this.#host.now - exchange.waitingSince;
    exchange.waiting = false;
    exchange.sink.onReadable();
  }

  /** The peer is at fault: it gets a response that says so, if it can, and the connection closes. */
  #refuse(error: ProtocolError): void {
    const exchange = this.#exchange;
    if (exchange === null) {
      const { bytes, pos } = this.#input;
      writeErrorResponse(this.output, error, this.#host.date, this.#reader?.method(bytes, pos) === "HEAD");
      this.close("end");
      this.#host.refused(error, null);
      return;
    }
    this.#host.refused(error, exchange);
    const kind = error.status === 408 ? "timeout" : "malformed";
    if (!exchange.hasBegun) {
      // The response is the executor's: it goes the way of all responses of its handler's class.
      exchange.refuse();
      this.#input.drop();
      exchange.sink.onGone({ kind, error, canRespond: true });
    } else {
      this.close(exchange.howToBreakOff);
      this.#tell({ kind, error });
    }
  }

  /** Tells a running exchange, once and last of all, that its peer is gone. */
  #tell(why: GoneReason): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange === null || exchange.gone !== null) return;
    exchange.gone = why;
    exchange.waiting = exchange.full = false;
    if (!exchange.done) exchange.sink.onGone(why);
  }
}
