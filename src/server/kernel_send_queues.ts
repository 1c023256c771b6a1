/**
 * Finds out whether clients read that seem not to. The kernel takes more of a response only when a third of its send buffer is free,
 * which may be more than a MiB, and a client that reads slowly needs long for that. Linux says how much it holds for each connection:
 * while that changes, the client reads.
 */
import { readFile } from "node:fs/promises";
import { isIPv4, isIPv6 } from "node:net";
import type { ConnectionInfo, Peer } from "../protocol/exchange.ts";

/** Who asks for its send queue. */
export interface Sender {
  /** What is known of its connection. */
  readonly info: ConnectionInfo;
  /** How many bytes the kernel holds that the client's kernel has not acknowledged; -1 where that cannot be known. */
  sendQueueIs(bytes: number): void;
}

/** The TCP connections of this network namespace, one a line (proc_net_tcp(5)). */
const FILES = ["/proc/net/tcp", "/proc/net/tcp6"];

/** Looks are under way for no more than a fourth of the time: where there are many connections, one takes long. */
const SHARE = 4;

export class KernelSendQueues {
  readonly #interval: number;
  readonly #read: (file: string) => Promise<string>;
  #asked: Sender[] = [];
  #nextLook = -Infinity;
  /** There is something to look at. */
  #canLook = true;

  /**
   * @param interval milliseconds between two looks, at least
   * @param read gives the text of a file, "" where it cannot be read; for tests
   */
  constructor(interval: number, read = readOnce) {
    this.#interval = interval;
    this.#read = read;
  }

  /** `sender` is told at the next look; before it, it may ask as often as it likes. */
  ask(sender: Sender): void {
    this.#asked.push(sender);
  }

  /**
   * Calls `sendQueueIs` of every sender that has asked since the last look, if it is time for one. Senders whose queues cannot be known
   * get -1 at once.
   * @param now milliseconds
   * @param port this end of all their connections
   * @returns resolves when all have been told
   */
  async look(now: number, port: number): Promise<void> {
    if (this.#asked.length === 0) return;
    const senders = new Map<string, Sender>();
    for (const sender of this.#asked.splice(0)) {
      const addresses = this.#canLook ? addressesOf(sender.info.clientAddress) : [];
      for (const address of addresses) senders.set(address, sender);
      if (addresses.length === 0) sender.sendQueueIs(-1);
    }
    if (senders.size === 0 || now < this.#nextLook) return;
    this.#nextLook = Infinity; // until this one is over
    const began = performance.now();
    const text = (await Promise.all(FILES.map(this.#read))).join("");
    this.#nextLook = now + Math.max(this.#interval, SHARE * (performance.now() - began));
    this.#canLook = text !== ""; // of another system, or where they may not be read, they stay so
    tell(senders, port, text);
  }
}

/** @param senders by their addresses, as lines have them */
function tell(senders: Map<string, Sender>, port: number, text: string): void {
  const unknown = new Set(senders.values());
  // "  12: local:port remote:port state queue:…", all of it in hexadecimal digits
  const line = new RegExp(`^ *\\d+: [0-9A-F]+:${hex(port, 4)} ([0-9A-F]+:[0-9A-F]{4}) .. ([0-9A-F]{8}):`, "gm");
  for (const [, address, queue] of text.matchAll(line)) {
    const sender = senders.get(address);
    if (sender !== undefined && unknown.delete(sender)) sender.sendQueueIs(Number.parseInt(queue, 16));
  }
  for (const sender of unknown) sender.sendQueueIs(-1);
}

/** The other end of a connection as a line has it: an IPv4 address also as it is on a socket that takes IPv6 as well. */
function addressesOf([host, port]: Peer): string[] {
  if (isIPv4(host)) {
    const bytes = host.split(".").map(Number);
    return [bytes, [...new Array<number>(10).fill(0), 255, 255, ...bytes]].map((one) => addressOf(one, port));
  }
  return isIPv6(host) ? [addressOf(bytesOf(host), port)] : [];
}

/** Each four bytes are a number, in the order of this machine. */
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

/** Reads that are under way: servers share them. */
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
  // Where Deno has not been allowed to read a file, it would ask for that at the terminal.
  const { Deno } = globalThis as { Deno?: { permissions: { querySync(what: object): { state: string } } } };
  if (Deno !== undefined && Deno.permissions.querySync({ name: "read", path: file }).state !== "granted")
    return Promise.resolve("");
  return readFile(file, "latin1").catch(() => "");
}
