/** The head of a request in shared memory: one text of all its parts, and the positions of field names and values in it. */
import { Buffer } from "node:buffer";
import { copy, latin1, writeLatin1 } from "../../protocol/bytes.ts";
import type { ConnectionInfo, Exchange, Peer, RequestHead, SecureConnection } from "../../protocol/exchange.ts";
import { Fields } from "../../protocol/fields.ts";
import type { Limits } from "../../protocol/limits.ts";
import { methodOf } from "../../protocol/method_names.ts";
import {
  BODY_LENGTH,
  DONE,
  FLAGS,
  GONE,
  IN_PUT,
  IN_STATE,
  PEER_PORT,
  type PoolMemory,
  ROUTE,
  SPANS,
  STARTED,
  TEXT_COUNT,
  TEXTS,
} from "./pool_memory.ts";

/** Heads and trailers of up to this many bytes fit into a slot, if the limits allow them. Larger ones may not fit, and are refused then. */
const MAX_SIZE = 1024 * 1024;

/** How many bytes a slot has besides, for a client's address, and for what a router has found; and those for a client's certificate. */
const SPARE = 4096;
const CERTIFICATE = 32 * 1024;

/** How many bytes a slot needs for a head or trailers within the limits. */
export function headSizeFor(limits: Limits, asksForCertificates: boolean): number {
  // The text of the fields is the whole head as it came. The method, target and version follow it once more, and then the authority, which
  // may be a part of the target.
  const size = Math.min(limits.maxHeadSize, MAX_SIZE);
  const head = 2 * size + Math.min(limits.maxTargetSize, size) + spansOf(limits.maxFields, size);
  const trailerSize = Math.min(limits.maxTrailerSize, MAX_SIZE);
  const spare = SPARE + (asksForCertificates ? CERTIFICATE : 0);
  return (Math.max(head, trailerSize + spansOf(limits.maxTrailers, trailerSize)) + spare) & ~7;
}

/** How many bytes the positions of names and values take. Each field takes at least 3 bytes of the text: "a:" and the line's end. */
function spansOf(fields: number, size: number): number {
  return 16 * Math.min(fields, Math.ceil(size / 3));
}

/** What a router has found: the index of the class, and the parameters that its pattern has found in the path. */
export interface Route {
  readonly index: number;
  readonly params: Readonly<Record<string, string | undefined>> | undefined;
  readonly fallback: boolean;
}

/** Makes a slot ready for a request, and writes the head there. @returns false if the head does not fit */
export function writeHead(memory: PoolMemory, slot: number, exchange: Exchange, route: Route | null): boolean {
  const { words, numbers } = memory;
  const { head, connection } = exchange;
  const [host, port] = connection.clientAddress;
  const [text, spans] = Fields.parts(head.fields);
  const { method, target, version, authority } = head;
  const found = route === null ? "" : ascii(JSON.stringify([route.params, route.fallback]));
  const secure = connection.secure === null ? "" : writeSecure(connection, connection.secure);
  const at = memory.slotAt(slot);
  words.fill(0, at + GONE, at + DONE + 1);
  const texts = at + TEXTS;
  words[texts] = text.length;
  words[texts + 1] = method.length;
  words[texts + 2] = target.length;
  words[texts + 3] = version.length;
  words[texts + 4] = authority === null ? -1 : authority.length;
  words[texts + 5] = host.length;
  words[texts + 6] = found.length;
  words[texts + 7] = secure.length;
  words[at + PEER_PORT] = port;
  words[at + FLAGS] = exchange.waitsForContinue ? 1 : 0;
  words[at + ROUTE] = route === null ? -1 : route.index;
  numbers[memory.numbersAt(slot) + BODY_LENGTH] = exchange.bodyLength;
  numbers[memory.numbersAt(slot) + STARTED] = 0;
  return writeText(memory, slot, text + method + target + version + (authority ?? "") + host + found + secure, spans);
}

/** A request's head in a thread: a copy of its text, from which parts are cut when they are read. */
export class ThreadHead implements RequestHead {
  readonly fields: Fields;
  readonly method: string;
  readonly target: string;
  readonly #text: string;
  /** The positions in the text at which its parts end. */
  readonly #ends: readonly number[];
  readonly #hasAuthority: boolean;
  readonly #port: number;
  readonly #route: number;
  #connection: ConnectionInfo | null = null;

  constructor(memory: PoolMemory, slot: number) {
    const { words } = memory;
    const at = memory.slotAt(slot);
    const begin = memory.headAt(slot);
    const ends: number[] = [];
    let end = 0;
    for (let i = 0; i < TEXT_COUNT; i++) {
      const length = words[at + TEXTS + i];
      if (length > 0) end += length;
      ends.push(end);
    }
    const text = textAt(memory, slot, end);
    this.#text = text;
    this.#ends = ends;
    this.fields = new Fields(text, spansAt(memory, slot, end));
    this.method = methodOf(memory.bytes, begin + ends[0], begin + ends[1]);
    this.target = text.substring(ends[1], ends[2]);
    this.#hasAuthority = words[at + TEXTS + 4] >= 0;
    this.#port = words[at + PEER_PORT];
    this.#route = words[at + ROUTE];
  }

  get version(): string {
    return this.#part(3);
  }

  get authority(): string | null {
    return this.#hasAuthority ? this.#part(4) : null;
  }

  get connection(): ConnectionInfo {
    return (this.#connection ??= new ThreadConnection([this.#part(5), this.#port], this.#part(7)));
  }

  /** What the router has found on the event loop; null if this thread finds the class itself, or no class is needed. */
  get route(): Route | null {
    if (this.#route < 0) return null;
    const [params, fallback] = JSON.parse(this.#part(6)) as [Route["params"], boolean];
    return { index: this.#route, params, fallback };
  }

  #part(i: number): string {
    return this.#text.substring(this.#ends[i - 1], this.#ends[i]);
  }
}

/** What TLS has found out, as it is written into heads: the same text for each request of a connection. */
const written = new WeakMap<SecureConnection, string>();

function writeSecure({ alpn }: ConnectionInfo, secure: SecureConnection): string {
  let text = written.get(secure);
  if (text === undefined) {
    const { version, serverName, clientCertificate } = secure;
    const certificate = clientCertificate === null ? null : Buffer.from(clientCertificate).toString("base64");
    written.set(secure, (text = ascii(JSON.stringify([alpn, version, serverName, certificate]))));
  }
  return text;
}

/** The connection of a request in a thread. What TLS has found out is parsed when it is read. */
class ThreadConnection implements ConnectionInfo {
  readonly clientAddress: Peer;
  readonly #text: string;
  #parsed: Pick<ConnectionInfo, "alpn" | "secure"> | null = null;

  /** @param text as `writeSecure` has written it; "" without TLS */
  constructor(clientAddress: Peer, text: string) {
    this.clientAddress = clientAddress;
    this.#text = text;
  }

  get alpn(): string | null {
    return this.#parse().alpn;
  }

  get secure(): SecureConnection | null {
    return this.#parse().secure;
  }

  #parse(): Pick<ConnectionInfo, "alpn" | "secure"> {
    return (this.#parsed ??= this.#text === "" ? NOT_SECURE : readSecure(this.#text));
  }
}

const NOT_SECURE = { alpn: null, secure: null };

function readSecure(text: string): Pick<ConnectionInfo, "alpn" | "secure"> {
  const [alpn, version, serverName, certificate] = JSON.parse(text) as [
    alpn: string | null,
    version: string,
    serverName: string | null,
    certificate: string | null,
  ];
  const clientCertificate = certificate === null ? null : Buffer.from(certificate, "base64");
  return { alpn, secure: { version, serverName, clientCertificate } };
}

/** Ends the content of a request. @returns false if its trailers do not fit */
export function writeEnd(memory: PoolMemory, slot: number, trailers: Fields | undefined): boolean {
  const at = memory.slotAt(slot);
  if (trailers !== undefined) {
    const [text, spans] = Fields.parts(trailers);
    memory.words[at + TEXTS] = text.length;
    if (!writeText(memory, slot, text, spans)) return false;
  }
  Atomics.store(memory.words, at + IN_STATE, trailers === undefined ? 1 : 2);
  return true;
}

export function readTrailers(memory: PoolMemory, slot: number): Fields {
  const length = memory.words[memory.slotAt(slot) + TEXTS];
  return new Fields(textAt(memory, slot, length), spansAt(memory, slot, length));
}

/** Writes buffered content into the empty ring of a slot, as much as the ring holds. @returns how many bytes that was */
export function writeContent(memory: PoolMemory, slot: number, content: Uint8Array): number {
  const n = Math.min(content.length, memory.layout.ringSize);
  copy(content, 0, n, memory.bytes, memory.inAt(slot));
  memory.words[memory.slotAt(slot) + IN_PUT] = n;
  return n;
}

function writeText(memory: PoolMemory, slot: number, text: string, spans: readonly number[]): boolean {
  const { words, bytes } = memory;
  const begin = memory.headAt(slot);
  const size = ((text.length + 3) & ~3) + 4 * spans.length;
  if (size > memory.layout.headSize) return false;
  writeLatin1(bytes, begin, text);
  words[memory.slotAt(slot) + SPANS] = spans.length;
  const places = (begin + text.length + 3) >> 2;
  for (let i = 0; i < spans.length; i++) words[places + i] = spans[i];
  return true;
}

function textAt(memory: PoolMemory, slot: number, length: number): string {
  const begin = memory.headAt(slot);
  return latin1(memory.bytes, begin, begin + length);
}

function spansAt(memory: PoolMemory, slot: number, length: number): number[] {
  const places = (memory.headAt(slot) + length + 3) >> 2;
  const { words } = memory;
  const spans = new Array<number>(words[memory.slotAt(slot) + SPANS]);
  for (let i = 0; i < spans.length; i++) spans[i] = words[places + i];
  return spans;
}

/** Escapes JSON to ASCII, since the text of a head is one byte a character, and parameters may have others. */
function ascii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}
