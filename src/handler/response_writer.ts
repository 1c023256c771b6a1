/**
 * Writes a response: its head, and its content as Python's `wfile`. It holds the head back until the content's length is known or
 * something has to leave. So a head and a small content leave together, with a Content-Length even if the handler has set none.
 *
 *   NONE ──begin──► HEAD ──endHeaders──► BODY ──settle──► DONE
 */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import { encode } from "../protocol/bytes.ts";
import type { Exchange, GoneReason, Lender } from "../protocol/exchange.ts";
import { type Field, FieldList, NOT_IN_TRAILERS } from "../protocol/fields.ts";
import { isFieldText } from "../protocol/grammar.ts";
import { quote } from "../quote_value.ts";
import { hasNoContent, reasonOf } from "../protocol/status.ts";
import { contentStream } from "./response_web_stream.ts";
import { PeerGoneError, type PeerGoneReason } from "./errors.ts";
import type { ResponseBody } from "./response_body_interface.ts";
import { NO_BLOCKING, quiet } from "./request_body.ts";
import type { FlushScheduler, FlushTask } from "../loop/flush_scheduler.ts";

/** Bytes. When so much content is held back, it leaves, although the total length is not known yet. */
const BATCH = 16 * 1024;
/**
 * Bytes. After so much content, `write` returns a promise for the next turn even if there is room. Otherwise, while the kernel takes
 * everything, a handler that awaits its writes in a loop would let no other handler run before it ends.
 */
const SHARE = 256 * 1024;
/** Bytes that a write counts for in addition to its content, since an empty write costs time too. */
const WRITE_COST = 64;
/** Bytes that a response without content, such as the response to a HEAD, discards before writes reject. */
const MOST_DISCARDED = 64 * 1024;

/** Whether memory can be lent: only its owner can write to it, since it is shared with no thread, and it cannot be resized. */
function canLend({ buffer }: Uint8Array): boolean {
  return buffer instanceof ArrayBuffer && (buffer as { resizable?: boolean }).resizable !== true;
}

/** A field list that no response uses. Most responses begin just after another has given its head to the protocol, and can reuse its list. */
let spare: FieldList | null = null;

function takeList(): FieldList {
  const list = spare ?? new FieldList();
  spare = null;
  return list;
}

const OVER = "the handler has ended, and the response with it (is an await, or a return, missing in front of a call?)";

/** The owner of a response, to which the response reports. */
export interface ResponseOwner {
  /** Much content was written to a response that has none. Writes reject from now on. */
  contentUnwanted(): void;
}

const HEAD_ONLY: PeerGoneReason = Object.freeze({ kind: "head-only" });

const NONE = 0;
const HEAD = 1;
const BODY = 2;
const DONE = 3;

export class ResponseWriter implements ResponseBody, FlushTask, Lender {
  /** Why writes reject; null while they do not. */
  gone: PeerGoneReason | null = null;
  #exchange: Exchange;
  readonly #scheduler: FlushScheduler;
  readonly #owner: ResponseOwner;
  #state = NONE;
  #status = 0;
  #reason = "";
  /** Null after the head was given to the protocol: then another response may use the list. */
  #fields: FieldList | null = takeList();
  #trailers: FieldList | undefined = undefined;
  /** The Content-Length that was announced, -1 where none was. */
  #length = -1;
  /** The head has been given to the protocol. */
  #committed = false;
  /** The content that is held back. */
  #held: Uint8Array[] | null = null;
  /** Bytes of content that are held back, or were discarded. */
  #heldSize = 0;
  /** The response has no content: what is written is discarded. */
  #headOnly = false;
  /** The scheduler will call `turnEnded`. */
  #queued = false;
  /** Bytes that were written since the writer last waited. */
  #unpaused = 0;
  /** The exchange has said that it is full, and not yet that there is room. */
  #full = false;
  /** A chunk is lent to the exchange, and must not be reused yet. */
  #lends = false;
  /** The promise of the writes that wait for room, and the function that resolves it. */
  #room: Promise<void> | null = null;
  #makeRoom: (() => void) | null = null;
  /** The promise that writes return when the client is gone, and the function that rejects it at the end of this turn. */
  #refusal: Promise<void> | null = null;
  #refuse: (() => void) | null = null;

  constructor(exchange: Exchange, scheduler: FlushScheduler, owner: ResponseOwner) {
    this.#exchange = exchange;
    this.#scheduler = scheduler;
    this.#owner = owner;
  }

  begin(status: number, reason: string | undefined): void {
    if (this.#state !== NONE) {
      throw this.mistake(
        `cannot respond with ${status}: ${this.#state === DONE ? OVER : `the response has already begun with ${this.#status}`}`,
      );
    }
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(
        `cannot respond with ${quote(status)}: the status of a response is a whole number from 200 to 599`,
      );
    }
    if (reason !== undefined && (typeof reason !== "string" || !isFieldText(reason))) {
      throw new TypeError(
        `cannot respond with ${status} and the reason phrase ${quote(reason)}: it is a string without control characters`,
      );
    }
    this.#status = status;
    this.#reason = reason ?? reasonOf(status);
    this.#state = HEAD;
  }

  /**
   * Makes an error for a call that comes too late. If writes reject, its cause is a PeerGoneError, so that it does not count as a fault
   * of the handler: the handler may have caught a rejected write and tried to respond anew.
   */
  mistake(message: string): Error {
    return new Error(message, this.gone === null ? undefined : { cause: new PeerGoneError(this.gone) });
  }

  /** Adds a field of the library's own, unless a method of the user's that was called meanwhile has sent the head. */
  addField(field: Field): void {
    this.#fields?.addField(field);
  }

  add(name: string, value: string | number): void {
    if (this.#state !== HEAD) {
      throw new Error(
        `cannot send the header ${name}: ` +
          (this.#state === NONE ? "sendResponse comes first" : this.#state === DONE ? OVER : "the headers have ended"),
      );
    }
    // Three fields frame messages and connections. They are carried out here, and not just copied.
    switch (name.length) {
      case 10:
        if (name.toLowerCase() === "connection" && isFieldText(String(value)) && this.#connection(String(value)))
          return;
        break;
      case 14:
        if (name === "Content-Length" || name.toLowerCase() === "content-length") return this.#announce(value);
        break;
      case 17:
        if (name.toLowerCase() === "transfer-encoding") {
          throw new TypeError(
            "cannot send Transfer-Encoding: write the content as it is; without a Content-Length it is chunked where the protocol needs that",
          );
        }
        break;
    }
    this.#fields!.add(name, value);
  }

  addTrailer(name: string, value: string | number): void {
    if (this.#state === DONE) throw new Error(`cannot send the trailer ${name}: ${OVER}`);
    if (NOT_IN_TRAILERS.includes(String(name).toLowerCase())) {
      throw new TypeError(`cannot send the trailer ${name}: it frames or routes the message, and must not come late`);
    }
    (this.#trailers ??= new FieldList()).add(name, value);
  }

  endHeaders(): void {
    if (this.#state !== HEAD) {
      throw new Error(
        "cannot end the headers: " +
          (this.#state === NONE ? "sendResponse comes first" : this.#state === DONE ? OVER : "they have ended"),
      );
    }
    this.#state = BODY;
    const { method } = this.#exchange.head;
    const noContent = hasNoContent(this.#status) || this.#status === 205;
    this.#headOnly = noContent || method === "HEAD";
    // The head is given away now if its framing is settled. After CONNECT, only the head opens the tunnel.
    if (this.#length >= 0 || noContent || method === "CONNECT") this.#commit(this.#length);
    else this.#atTurnEnd();
  }

  write(chunk: Uint8Array | string): void | Promise<void> {
    if (this.#state !== BODY) {
      throw new Error(
        "cannot write content: " +
          (this.#state === NONE ? "sendResponse comes first" : this.#state === HEAD ? "endHeaders comes first" : OVER),
      );
    }
    if (!(chunk instanceof Uint8Array) && typeof chunk !== "string") {
      throw new TypeError(`cannot write ${typeof chunk} as content: it must be bytes (Uint8Array, Buffer) or a string`);
    }
    // A writer that never waits for room learns here that its client is gone.
    if (this.#full) this.#exchange.poll?.();
    if (this.#headOnly) return this.#discard(typeof chunk === "string" ? Buffer.byteLength(chunk) : chunk.length);
    if (!this.#committed) {
      const bytes = typeof chunk === "string" ? encode(chunk) : Buffer.from(chunk);
      if (bytes.length > 0) (this.#held ??= []).push(bytes);
      this.#heldSize += bytes.length;
      this.#unpaused += WRITE_COST;
      if (this.#heldSize < BATCH) {
        this.#atTurnEnd();
        if (this.gone !== null) return this.#whenRefused();
        return this.#unpaused < SHARE ? undefined : this.#whenRoom();
      }
      this.#full = !this.#commitHeld();
      if (this.gone !== null) return this.#whenRefused();
      return this.#full ? this.#whenRoom() : undefined;
    }
    const bytes = typeof chunk === "string" ? encode(chunk) : chunk;
    this.#full = !this.#give(bytes);
    if (this.gone !== null) return this.#whenRefused();
    this.#unpaused += bytes.length + WRITE_COST;
    if (!this.#full && this.#unpaused < SHARE) return undefined;
    if (!this.#full) this.#atTurnEnd();
    return this.#whenRoom();
  }

  writeSync(chunk: Uint8Array | string): void {
    const { block } = this.#exchange;
    if (block === undefined) throw new Error(`cannot write: ${NO_BLOCKING}, or await a write`);
    // A handler that never waits for room learns here that its client is gone.
    if (this.gone === null) this.#exchange.poll?.();
    void this.write(chunk);
    if (this.gone !== null) throw new PeerGoneError(this.gone);
    this.flush();
    while (this.#full && this.gone === null) block.call(this.#exchange);
    this.#unpaused = 0;
  }

  stream(): WritableStream<Uint8Array | string> {
    return contentStream((chunk) => this.write(chunk));
  }

  flush(): void {
    if (this.#state === BODY && !this.#committed) this.#commitHeld();
    this.#exchange.flush();
  }

  turnEnded(): void {
    this.#queued = false;
    if (this.#state === BODY && !this.#committed) this.#commitHeld();
    if (!this.#full) this.writable();
    if (this.#refuse !== null) {
      this.#refuse();
      this.#refusal = this.#refuse = null;
    }
  }

  /** The client is gone. Writes reject from now on, and a write that waits resolves. */
  peerGone(why: PeerGoneReason): void {
    this.gone = why;
    this.writable();
  }

  /** The server responds in the place of the handler. To the handler, its client is gone. @param exchange takes what it still writes */
  abandon(exchange: Exchange, why: GoneReason): void {
    this.#exchange = exchange;
    this.peerGone(why);
  }

  /** Ends the response if all content that was announced has been written, although the handler still runs. @returns whether it was */
  endIfWhole(): boolean {
    const isCounted = this.#length >= 0 || this.#headOnly;
    if (this.#state !== BODY || !this.#committed || !isCounted) return false;
    try {
      this.#exchange.end(this.#trailers);
    } catch {
      return false; // there is less content than was announced
    }
    return true;
  }

  /**
   * The handler has settled.
   * @returns what the handler has left out, for a message; null when the response is whole
   * @throws {Error} when there is less content than was announced
   */
  settle(): string | null {
    if (this.#state === NONE) return "a response: it must call sendResponse, sendJson, sendText or sendError";
    if (this.#state === HEAD) return "the end of its headers: it must call endHeaders";
    if (this.#state === DONE) return null;
    if (!this.#committed) {
      // All content is here, so its length is known. But trailers need the chunked coding, which comes without a Content-Length.
      // And a do_HEAD that wrote nothing does not tell the length that GET would have (RFC 9110 §8.6).
      const isUnknown = this.#trailers !== undefined || (this.#heldSize === 0 && this.#exchange.head.method === "HEAD");
      this.#commit(isUnknown ? -1 : this.#heldSize);
      this.#writeHeld();
    }
    this.#exchange.end(this.#trailers);
    this.#state = DONE;
    return null;
  }

  /** The exchange is about to be released. It gets nothing more: content that was held back for the end of the turn is dropped. */
  seal(): void {
    this.#state = DONE;
    this.#held = null;
    this.writable();
  }

  /** Takes the response back. @returns false if part of it has been sent */
  retract(): boolean {
    if (this.#state === DONE || (this.#committed && !this.#exchange.retract())) return false;
    this.writable(); // a write that waits has nothing more to wait for
    this.#state = NONE;
    this.#fields = takeList();
    this.#trailers = undefined;
    this.#length = -1;
    this.#committed = false;
    this.#held = null;
    this.#heldSize = 0;
    if (this.gone === HEAD_ONLY) this.gone = null; // the next response may have content
    return true;
  }

  /** There is room again, or nothing is left to wait for. */
  writable(): void {
    this.#full = false;
    this.#unpaused = 0;
    if (this.#lends) return; // `returned` follows
    this.#makeRoom?.();
    this.#room = this.#makeRoom = null;
  }

  /** The chunk that was lent is back. */
  returned(): void {
    this.#lends = false;
    if (!this.#full) this.writable(); // after the handler's end, or without a client, no other call of `writable` comes
  }

  /** Counts content that is not sent, so that Content-Length is computed for HEAD as well. */
  #discard(size: number): void | Promise<void> {
    this.#heldSize += size;
    this.#unpaused += size + WRITE_COST;
    if (!this.#committed) this.#atTurnEnd();
    if (this.#heldSize > MOST_DISCARDED && this.gone === null) {
      if (!this.#committed) this.#commit(-1);
      this.peerGone(HEAD_ONLY);
      this.#owner.contentUnwanted();
    }
    if (this.gone !== null) return this.#whenRefused();
    if (this.#unpaused < SHARE) return undefined;
    this.#atTurnEnd();
    return this.#whenRoom();
  }

  /** Gives content to the exchange. @returns whether there is room for more */
  #give(bytes: Uint8Array): boolean {
    const room = bytes.length >= BATCH && canLend(bytes) ? (this.#exchange.lend?.(bytes, this) ?? null) : null;
    if (room === null) return this.#exchange.write(bytes);
    this.#lends = !room;
    return room;
  }

  #atTurnEnd(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#scheduler.add(this);
  }

  #announce(value: string | number): void {
    const length = typeof value === "number" ? value : /^[0-9]+$/.test(value) ? Number(value) : NaN;
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new TypeError(
        `cannot send the header Content-Length with the value ${quote(value)}: it is a number of bytes`,
      );
    }
    if (this.#length >= 0 && this.#length !== length) {
      throw new Error(`cannot send the header Content-Length with the value ${length}: it was ${this.#length} before`);
    }
    this.#length = length;
  }

  /** Carries out a Connection field. @returns whether `close` and `keep-alive` are its only options, so that it need not be sent */
  #connection(value: string): boolean {
    const options = value.toLowerCase().split(",");
    let isDone = true;
    for (const option of options) {
      if (option.trim() === "close") this.#exchange.closeConnection();
      else if (option.trim() !== "keep-alive") isDone = false;
    }
    return isDone;
  }

  #commit(length: number): void {
    this.#committed = true;
    const fields = this.#fields!;
    this.#fields = null;
    this.#exchange.respond(this.#status, this.#reason, fields, length);
    fields.clear();
    spare = fields;
  }

  /** Gives the head and the held content to the exchange, before the total length is known. @returns whether there is room for more */
  #commitHeld(): boolean {
    this.#commit(-1);
    return this.#writeHeld();
  }

  #writeHeld(): boolean {
    const held = this.#held;
    if (held === null) return true;
    this.#held = null;
    let room = true;
    for (const bytes of held) room = this.#exchange.write(bytes);
    return room;
  }

  #whenRoom(): Promise<void> {
    return (this.#room ??= new Promise((resolve) => (this.#makeRoom = resolve)));
  }

  /** A promise that rejects at the end of this turn: a handler that goes on writing in spite of it must not block the event loop. */
  #whenRefused(): Promise<void> {
    this.#atTurnEnd();
    if (this.#refusal !== null) return this.#refusal;
    const why = new PeerGoneError(this.gone!);
    return (this.#refusal = quiet(new Promise((_, reject) => (this.#refuse = () => reject(why)))));
  }
}
