/**
 * The response in the making, and its content as Python's `wfile`. Holds the head back until the length is known or something has
 * to leave, so that a head and a small content travel together, with a Content-Length, whoever computed it.
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
import { contentStream } from "./response_stream.ts";
import { PeerGoneError, type PeerGoneReason } from "./errors.ts";
import type { ResponseBody } from "./response_body.ts";
import { NO_BLOCKING, quiet } from "./request_body.ts";
import type { FlushScheduler, FlushTask } from "../loop/flush_scheduler.ts";

/** With so much content held back, it leaves, its length unknown. */
const BATCH = 16 * 1024;
/**
 * After so much content a writer is asked to wait for the next turn, though there is room: where the kernel takes all there is, a
 * loop that awaits its writes would otherwise never let another handler run before it ends.
 */
const SHARE = 256 * 1024;
/** What a write counts for beside its content: one of nothing costs time too. */
const A_WRITE = 64;
/** Of content that is not sent, as behind the head of a HEAD's response, so much is discarded before writes reject. */
const MOST_DISCARDED = 64 * 1024;

/** Whether nothing but its owner's writing changes this memory: it is shared with no thread, and stays as large as it is. */
function canLend({ buffer }: Uint8Array): boolean {
  return buffer instanceof ArrayBuffer && (buffer as { resizable?: boolean }).resizable !== true;
}

/** A list that no response has: most responses begin when the head of another has just been given to its protocol. */
let spare: FieldList | null = null;

function takeList(): FieldList {
  const list = spare ?? new FieldList();
  spare = null;
  return list;
}

const OVER = "the handler has ended, and the response with it (is an await, or a return, missing in front of a call?)";

/** Who is told of what becomes of a response. */
export interface ResponseOwner {
  /** Much was written that is never sent, since the response has no content, and writes reject from now on. */
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
  /** Null once the head has been given to the protocol: from then on, the list is others'. */
  #fields: FieldList | null = takeList();
  #trailers: FieldList | undefined = undefined;
  /** The Content-Length that was announced, -1 where none was. */
  #length = -1;
  /** The head has been given to the protocol. */
  #committed = false;
  #held: Uint8Array[] | null = null;
  /** How much content is held, or was discarded. */
  #heldSize = 0;
  /** The response has no content: what is written is discarded. */
  #headOnly = false;
  #queued = false;
  /** How much was written since the writer last waited. */
  #unpaused = 0;
  /** The exchange has said that it is full, and not yet that there is room. */
  #full = false;
  /** A chunk that was lent is not back yet, and must not be used again. */
  #lends = false;
  #room: Promise<void> | null = null;
  #makeRoom: (() => void) | null = null;
  /** What the writes of this turn are given that reject at its end, and what makes it reject. */
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

  /** An error for a call that comes too late. Where writes reject, a handler that catches that and responds anew is not at fault. */
  mistake(message: string): Error {
    return new Error(message, this.gone === null ? undefined : { cause: new PeerGoneError(this.gone) });
  }

  /** Adds a field of our own, unless what was called meanwhile has ended the headers. */
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
    // The three fields that frame messages and connections are not just sent, they are done.
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
    // Where nothing is left to find out, the head is final; behind CONNECT, the tunnel only opens with it.
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
    // A writer that does not wait for room is told of its peer all the same.
    if (this.#full) this.#exchange.poll?.();
    if (this.#headOnly) return this.#discard(typeof chunk === "string" ? Buffer.byteLength(chunk) : chunk.length);
    if (!this.#committed) {
      const bytes = typeof chunk === "string" ? encode(chunk) : Buffer.from(chunk);
      if (bytes.length > 0) (this.#held ??= []).push(bytes);
      this.#heldSize += bytes.length;
      this.#unpaused += A_WRITE;
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
    this.#unpaused += bytes.length + A_WRITE;
    if (!this.#full && this.#unpaused < SHARE) return undefined;
    if (!this.#full) this.#atTurnEnd();
    return this.#whenRoom();
  }

  writeSync(chunk: Uint8Array | string): void {
    const { block } = this.#exchange;
    if (block === undefined) throw new Error(`cannot write: ${NO_BLOCKING}, or await a write`);
    // A handler that never waits for room hears of its client here.
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

  /** There is nobody any more to write to, nor to wait for. */
  peerGone(why: PeerGoneReason): void {
    this.gone = why;
    this.writable();
  }

  /** Others respond in the place of the handler, which is told as if its peer had gone. @param exchange takes what it still says */
  abandon(exchange: Exchange, why: GoneReason): void {
    this.#exchange = exchange;
    this.peerGone(why);
  }

  /** Ends a response of which all has been given that was announced, though its handler goes on. @returns whether it is such */
  endIfWhole(): boolean {
    const isCounted = this.#length >= 0 || this.#headOnly;
    if (this.#state !== BODY || !this.#committed || !isCounted) return false;
    try {
      this.#exchange.end(this.#trailers);
    } catch {
      return false; // there is less than was announced
    }
    return true;
  }

  /**
   * The handler has settled.
   * @returns what it has left out, null when the response is whole
   * @throws {Error} when there is less content than was announced
   */
  settle(): string | null {
    if (this.#state === NONE) return "a response: it must call sendResponse, sendJson, sendText or sendError";
    if (this.#state === HEAD) return "the end of its headers: it must call endHeaders";
    if (this.#state === DONE) return null;
    if (!this.#committed) {
      // All of it is here: now its length is known. Trailers need a coding that has none.
      // A HEAD of the class's own that wrote nothing says nothing of the length that GET has (RFC 9110 §8.6).
      const unknown = this.#trailers !== undefined || (this.#heldSize === 0 && this.#exchange.head.method === "HEAD");
      this.#commit(unknown ? -1 : this.#heldSize);
      this.#writeHeld();
    }
    this.#exchange.end(this.#trailers);
    this.#state = DONE;
    return null;
  }

  /** The exchange is about to be released: nothing more is given to it, whatever was held back for the end of the turn. */
  seal(): void {
    this.#state = DONE;
    this.#held = null;
    this.writable();
  }

  /** Takes everything back that was not sent yet. @returns false when something was */
  retract(): boolean {
    if (this.#state === DONE || (this.#committed && !this.#exchange.retract())) return false;
    this.writable(); // what was waited for is gone
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

  /** There is room again, or nothing left to wait for. */
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
    if (!this.#full) this.writable(); // the handler has ended, or its client has gone: nobody else will say so
  }

  /** Counts content that is not sent; so Content-Length is computed for HEAD as well. */
  #discard(size: number): void | Promise<void> {
    this.#heldSize += size;
    this.#unpaused += size + A_WRITE;
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

  /** @returns whether there is room for more */
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

  /** @returns whether the field has said all it had to say */
  #connection(value: string): boolean {
    const options = value.toLowerCase().split(",");
    let ours = true;
    for (const option of options) {
      if (option.trim() === "close") this.#exchange.closeConnection();
      else if (option.trim() !== "keep-alive") ours = false;
    }
    return ours;
  }

  #commit(length: number): void {
    this.#committed = true;
    const fields = this.#fields!;
    this.#fields = null;
    this.#exchange.respond(this.#status, this.#reason, fields, length);
    fields.clear();
    spare = fields;
  }

  /** Gives away what is held, though its length is not known yet. @returns whether there is room for more */
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

  /** Rejects, but not before the end of this turn: a writer that goes on all the same must not keep the event loop to itself. */
  #whenRefused(): Promise<void> {
    this.#atTurnEnd();
    if (this.#refusal !== null) return this.#refusal;
    const why = new PeerGoneError(this.gone!);
    return (this.#refusal = quiet(new Promise((_, reject) => (this.#refuse = () => reject(why)))));
  }
}
