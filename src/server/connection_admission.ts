/** Whether one more connection may come in, and what the log says when it may not. */
import type { Descriptors, Transport } from "../transport/transport.ts";
import { connectionsFor, DescriptorReserve } from "./descriptor_reserve.ts";

/** An episode is over when there was room for so long. In milliseconds. */
const PAUSE = 1_000;

export class ConnectionAdmission {
  /** Connections at a time on this event loop. */
  most: number;
  readonly #say: (why: string) => void;
  /** Null where connections take no file descriptors, or those cannot be told. */
  #spares: DescriptorReserve | null = null;
  /** An episode has begun, and was told. */
  #isTold = false;
  /** When a connection was last refused. */
  #refusedAt = 0;

  /** @param say writes to the log, once in an episode, why connections are closed at once */
  constructor(most: number, say: (why: string) => void) {
    this.most = most;
    this.#say = say;
  }

  /**
   * Bounds connections so that they never take all file descriptors: they leave enough for everything else. From now on, each tick looks
   * whether one is left.
   * @param threads of handlers, at most
   * @param listeners event loops that accept
   * @param isBounded it was told already how many connections it may have
   * @returns warnings: what is not as the options say, or as a user would expect it from the runtime
   */
  open(transport: Transport, threads: number, listeners: number, isBounded: boolean): string[] {
    const descriptors = transport.descriptors?.() ?? null;
    if (descriptors !== null) this.#spares ??= new DescriptorReserve();
    if (isBounded) return [];
    const warning = transport.warning?.() ?? null;
    return [warning, descriptors && this.#bound(descriptors, threads, listeners)].filter((one) => one !== null);
  }

  #bound(descriptors: Descriptors, threads: number, listeners: number): string | null {
    const allowed = this.most;
    const most = connectionsFor(descriptors, threads, listeners);
    this.most = Math.min(allowed, most);
    if (most * listeners >= allowed) return null;
    const each = listeners > 1 ? ` on each of ${listeners} event loops` : "";
    return (
      `maxConnections is ${allowed}, but this process may have only ${descriptors.limit} file descriptors (ulimit -n):` +
      ` at most ${most} connections are open at a time${each}`
    );
  }

  /** Whether there are file descriptors for one more thread, as far as can be told. */
  get admitsThread(): boolean {
    return this.#spares?.isEnoughForAThread ?? true;
  }

  /** @param open how many connections there are @param now by the server's clock */
  admits(open: number, now: number): boolean {
    if (open < this.most && this.#spares?.isShort !== true) return true;
    this.refused(`too many connections: with ${open} open, further ones are closed at once`, now);
    return false;
  }

  tick(open: number, now: number): void {
    this.#spares?.look();
    if (this.#spares?.isShort === true)
      this.refused(
        `no file descriptor is left (ulimit -n): with ${open} connections open, others are closed at once`,
        now,
      );
    else if (open < this.most && now - this.#refusedAt >= PAUSE) this.#isTold = false;
  }

  /** The server has stopped. */
  close(): void {
    this.#spares?.release();
    this.#spares = null;
  }

  /** Connections are refused: here, or on another event loop, which has said why. */
  refused(why: string, now: number): void {
    this.#refusedAt = now;
    if (this.#isTold) return;
    this.#isTold = true;
    this.#say(why);
  }
}
