/** Decides whether one more connection is admitted, and logs when connections are refused. */
import type { Descriptors, Transport } from "../transport/transport.ts";
import { connectionsFor, DescriptorReserve } from "./descriptor_reserve.ts";

/** Refusals are logged once in an episode, which is over when no connection was refused for this long. In milliseconds. */
const EPISODE_END = 1_000;

export class ConnectionAdmission {
  /** How many connections may be open at a time on this event loop. */
  most: number;
  readonly #log: (why: string) => void;
  /** Null if the transport has no file descriptors, or cannot count them. */
  #spares: DescriptorReserve | null = null;
  /** An episode of refused connections has begun, and was logged. */
  #hasReported = false;
  /** When a connection was last refused. */
  #refusedAt = 0;

  /** @param log called once in an episode with the reason why connections are closed at once */
  constructor(most: number, log: (why: string) => void) {
    this.most = most;
    this.#log = log;
  }

  /**
   * Lowers `most` if that many connections would take too many file descriptors, so that enough are left for everything else. From now
   * on, each tick checks that a descriptor is left.
   * @param threads how many handler threads there may be
   * @param listeners how many event loops accept connections
   * @param isBounded whether another event loop has set `most` already
   * @returns warnings for the log: `maxConnections` cannot hold, or the runtime has a limitation
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

  /** Whether there are file descriptors for one more thread; true if that cannot be known. */
  get admitsThread(): boolean {
    return this.#spares?.isEnoughForAThread ?? true;
  }

  /** Whether one more connection is admitted. @param open how many connections are open @param now milliseconds by the server's clock */
  admits(open: number, now: number): boolean {
    if (open < this.most && this.#spares?.isShort !== true) return true;
    this.refused(`too many connections: with ${open} open, further ones are closed at once`, now);
    return false;
  }

  /** Checks file descriptors, and ends an episode of refused connections. @param open how many connections are open */
  tick(open: number, now: number): void {
    this.#spares?.look();
    if (this.#spares?.isShort === true)
      this.refused(
        `no file descriptor is left (ulimit -n): with ${open} connections open, others are closed at once`,
        now,
      );
    else if (open < this.most && now - this.#refusedAt >= EPISODE_END) this.#hasReported = false;
  }

  /** The server has stopped. */
  close(): void {
    this.#spares?.release();
    this.#spares = null;
  }

  /** Connections are refused, here or on another event loop: logs why, once in an episode. */
  refused(why: string, now: number): void {
    this.#refusedAt = now;
    if (this.#hasReported) return;
    this.#hasReported = true;
    this.#log(why);
  }
}
