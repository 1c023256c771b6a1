/**
 * Finds out whether a client that seems to have stopped reads slowly. The kernel takes more of a response only when a third of its send
 * buffer is free. That may be more than 1 MiB, which a slow client needs a long time to read. But Linux reports how many bytes it holds
 * for each connection: while that number changes, the client reads.
 */
import { readFile } from "node:fs/promises";
import { isIPv4, isIPv6 } from "node:net";
import type { ConnectionInfo, Peer } from "../protocol/exchange.ts";

/** A connection that asks for the size of its send queue. */
export interface SendQueueObserver {
  /** The connection's addresses. */
  readonly info: ConnectionInfo;
  /** Called with the number of bytes that the kernel holds and the client's kernel has not acknowledged; -1 if it cannot be known. */
  sendQueueIs(bytes: number): void;
}

/** The TCP connections of this network namespace, one a line (proc_net_tcp(5)). */
const FILES = ["/proc/net/tcp", "/proc/net/tcp6"];

/** With many connections, a look takes long. So looks begin at least four times their duration apart, and take at most 1/4 of the time. */
const PAUSE_FACTOR = 4;

export class KernelSendQueues {
  readonly #interval: number;
  readonly #read: (file: string) => Promise<string>;
  #asked: SendQueueObserver[] = [];
  #nextLook = -Infinity;
  /** Whether the files could be read; no look is tried after one has failed. */
  #canLook = true;

  /**
   * @param interval the least time between two looks, in milliseconds
   * @param read gives the text of a file, "" if it cannot be read; for tests
   */
  constructor(interval: number, read = readOnce) {
    this.#interval = interval;
    this.#read = read;
  }

  /** Asks for the size of a sender's queue, which it gets at the next look. It may ask several times before that. */
  ask(sender: SendQueueObserver): void {
    this.#asked.push(sender);
  }

  /**
   * Calls `sendQueueIs` of every sender that has asked since the last look, if it is time for a look. Senders whose queues cannot be
   * known get -1 at once.
   * @param now the time in milliseconds, by any clock
   * @param port the server's port
   * @returns resolves when all have been called
   */
  async look(now: number, port: number): Promise<void> {
    if (this.#asked.length === 0) return;
    const senders = new Map<string, SendQueueObserver>();
    for (const sender of this.#asked.splice(0)) {
      const addresses = this.#canLook ? addressesOf(sender.info.clientAddress) : [];
      for (const address of addresses) senders.set(address, sender);
      if (addresses.length === 0) sender.sendQueueIs(-1);
    }
    if (senders.size === 0 || now < this.#nextLook) return;
    this.#nextLook = Infinity; // no other look begins before this one is over
    const began = performance.now();
    const text = (await Promise.all(FILES.map(this.#read))).join("");
    this.#nextLook = now + Math.max(this.#interval, PAUSE_FACTOR * (performance.now() - began));
    this.#canLook = text !== ""; // the files are on Linux alone, and may be unreadable: neither changes
    report(senders, port, text);
  }
}

/** Calls `sendQueueIs` of senders. @param senders by their clients' addresses, in the form that lines of the file have */
function report(senders: Map<string, SendQueueObserver>, port: number, text: string): void {
  const unknown = new Set(senders.values());
  // "  12: local:port remote:port state queue:…", all of it in hexadecimal digits
  const line = new RegExp(`^ *\\d+: [0-9A-F]+:${hex(port, 4)} ([0-9A-F]+:[0-9A-F]{4}) .. ([0-9A-F]{8}):`, "gm");
  for (const [, address, queue] of text.matchAll(line)) {
    const sender = senders.get(address);
    if (sender !== undefined && unknown.delete(sender)) sender.sendQueueIs(Number.parseInt(queue, 16));
  }
  for (const sender of unknown) sender.sendQueueIs(-1);
}

/** A client's address in the forms that a line may have: an IPv4 address may be mapped to IPv6, on a socket that takes both. */
function addressesOf([host, port]: Peer): string[] {
  if (isIPv4(host)) {
    const bytes = host.split(".").map(Number);
    return [bytes, [...new Array<number>(10).fill(0), 255, 255, ...bytes]].map((one) => addressOf(one, port));
  }
  return isIPv6(host) ? [addressOf(bytesOf(host), port)] : [];
}

/** Formats an address and port: each four bytes are written as one number, in this machine's byte order. */
function addressOf(bytes: readonly number[], port: number): string {
  const words = new Uint32Array(Uint8Array.from(bytes).buffer);
  return `${Array.from(words, (word) => hex(word, 8)).join("")}:${hex(port, 4)}`;
}

function bytesOf(ipv6: string): number[] {
  const [front, back = []] = ipv6.replace(/%.*/, "").split("::").map(groupsOf);
  const zeros = new Array<number>(8 - front.length - back.length).fill(0);
  return [...front, ...zeros, ...back].flatMap((group) => [group >> 8, group & 0xff]);
}

function groupsOf(part: string): number[] {
  return part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
}

function hex(number: number, digits: number): string {
  return number.toString(16).toUpperCase().padStart(digits, "0");
}

/** Reads that are under way, by file: all servers of a process share them. */
const reading = new Map<string, Promise<string>>();

function readOnce(file: string): Promise<string> {
  let text = reading.get(file);
  if (text === undefined) {
    text = readText(file).finally(() => reading.delete(file));
    reading.set(file, text);
  }
  return text;
}

function readText(file: string): Promise<string> {
  // Without the permission to read a file, Deno would ask for it at the terminal.
  const { Deno } = globalThis as { Deno?: { permissions: { querySync(what: object): { state: string } } } };
  if (Deno !== undefined && Deno.permissions.querySync({ name: "read", path: file }).state !== "granted")
    return Promise.resolve("");
  return readFile(file, "latin1").catch(() => "");
}
