/** How long a connection waits for its peer once it has written, by a clock that the test holds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection } from "../../src/protocol/connection.ts";
import { BytePump, type BytePumpOwner } from "../../src/server/byte_pump.ts";
import type { SendQueueObserver } from "../../src/server/kernel_send_queues.ts";
import type { Socket } from "../../src/transport/transport.ts";

const TICK = 250;

/** A pump between a socket that takes nothing of a write, until the test says so, and a connection that has so many batches to send. */
class Rig {
  waiting: number | undefined = 1_000_000;
  now = 0;
  /** What was called on the socket. */
  readonly calls: string[] = [];
  /** Those that have asked the kernel. */
  asked: SendQueueObserver[] = [];
  closing: Connection["closing"] = null;
  deadline = Infinity;
  readonly pump: BytePump;
  readonly #clock = { now: 0, step: 0 };
  #batches: Uint8Array[];
  #received = 0;

  constructor(batches: number, options: Partial<BytePumpOwner> = {}) {
    this.#batches = Array.from({ length: batches }, () => new Uint8Array(1));
    const owner = {
      clock: this.#clock,
      sendTimeout: 2_000,
      lingerTimeout: 1_000,
      maxLingerTime: 3_000,
      kernelSendQueues: { ask: (sender: SendQueueObserver) => this.asked.push(sender) },
      connectionClosed() {},
      protocols: { connect: () => connection },
      ...options,
    } as unknown as BytePumpOwner;
    const note = (call: string) => (): void => void this.calls.push(call);
    const state = (): Rig => this;
    const socket = {
      info: { clientAddress: ["192.0.2.7", 1], alpn: null, secure: null },
      get waiting() {
        return state().waiting;
      },
      write: () => false,
      end: note("end"),
      destroy: note("destroy"),
      reset: note("reset"),
      pause: note("pause"),
      resume: note("resume"),
    } as unknown as Socket;
    const connection = {
      wantsRead: true,
      get closing() {
        return state().closing;
      },
      get deadline() {
        return state().deadline;
      },
      pull: () => this.#batches.shift() ?? null,
      recycle() {},
      receive: () => this.#received++,
      lost() {},
      tick: note("tick"),
    } as unknown as Connection;
    this.pump = new BytePump(owner, socket);
    this.pump.flush();
  }

  /** A tick comes, after so long. */
  tick(milliseconds = TICK): this {
    this.now = this.#clock.now += milliseconds;
    this.#clock.step = Math.min(milliseconds, 2 * TICK);
    this.pump.tick(this.now);
    return this;
  }

  /** Ticks until the socket is destroyed, with something before each. @returns how long that took */
  life(before: () => void = () => {}): number {
    const from = this.now;
    while (!this.calls.includes("destroy")) {
      assert.ok(this.now - from < 100_000, "for ever");
      before();
      this.tick();
    }
    return this.now - from;
  }

  /** The kernel says what it holds to those that have asked. */
  response(bytes: number): void {
    for (const sender of this.asked.splice(0)) sender.sendQueueIs(bytes);
  }

  /** How often the connection has received something. */
  get received(): number {
    return this.#received;
  }
}

test("a peer that takes nothing is given up after sendTimeout, where the kernel does not know either", () => {
  const rig = new Rig(1);
  assert.equal(
    rig.life(() => rig.response(-1)),
    2_250, // it is asked at one tick, and heard before the next
  );
});

test("a peer that takes some of one write, at whatever rate, is not", () => {
  for (const every of [1, 4, 7]) {
    const rig = new Rig(1);
    for (let i = 0; i < 1_000; i++) {
      if (i % every === 0) rig.waiting!--;
      rig.tick().response(-1);
    }
    assert.deepEqual(rig.calls, []);
    assert.equal(rig.life(() => rig.response(-1)) <= 2_250, true);
  }
});

test("each batch begins anew, also where the socket does not tell how far it has come", () => {
  const rig = new Rig(20);
  rig.waiting = undefined;
  for (let i = 0; i < 19; i++) {
    for (let j = 0; j < 7; j++) rig.tick().response(-1);
    rig.pump.onDrain();
  }
  assert.deepEqual(rig.calls, []);
  assert.equal(
    rig.life(() => rig.response(-1)),
    2_250,
  );
});

test("a peer is not given up while the kernel's send queue changes", () => {
  const rig = new Rig(1);
  let queue = 4_000_000;
  for (let i = 0; i < 1_000; i++) {
    if (i % 6 === 0) queue += i % 12 === 0 ? -100 : 50; // it may take more at the same time
    rig.tick().response(queue);
  }
  assert.deepEqual(rig.calls, []);
  const life = rig.life(() => rig.response(queue));
  assert.ok(life >= 2_000 - 6 * TICK && life <= 2_500, `${life} ms`);
});

test("what was before the kernel was first asked, nobody knows: it does not count", () => {
  const rig = new Rig(1);
  for (let i = 0; i < 7; i++) rig.tick(); // the first look takes long
  rig.response(100);
  assert.equal(
    rig.life(() => rig.response(100)),
    2_250,
  );
});

test("a kernel that does not response is not waited for without end", () => {
  assert.equal(new Rig(1).life(), 4_000);
});

test("the kernel is not asked about peers that read", () => {
  const rig = new Rig(1);
  for (let i = 0; i < 10; i++) {
    rig.waiting!--;
    rig.tick();
  }
  assert.deepEqual(rig.asked, []);
});

test("a peer does not pay for an event loop that was held up", () => {
  const rig = new Rig(1);
  for (let i = 0; i < 3; i++) rig.tick(10_000).response(-1);
  assert.deepEqual(rig.calls, []);
});

test("no sendTimeout: it may wait for ever", () => {
  const rig = new Rig(1, { sendTimeout: Infinity });
  for (let i = 0; i < 1_000; i++) rig.tick().response(-1);
  assert.deepEqual(rig.calls, []);
});

test("while a response waits to be read, the connection has its deadlines", () => {
  const rig = new Rig(1);
  rig.deadline = 500;
  rig.tick();
  assert.deepEqual(rig.calls, []);
  rig.tick();
  assert.deepEqual(rig.calls, ["tick"]);
});

/** Has written all, and ended. */
function ended(options: Partial<BytePumpOwner> = {}): Rig {
  const rig = new Rig(1, options);
  rig.closing = "end";
  rig.tick();
  assert.deepEqual(rig.calls, [], "not before all has left");
  rig.pump.onDrain();
  assert.deepEqual(rig.calls, ["end"]);
  return rig;
}

const data = new Uint8Array(10);

test("behind its end, a silent peer is left after lingerTimeout", () => assert.equal(ended().life(), 1_000));

test("one that goes on sending is left after maxLingerTime, and what it sends is dropped", () => {
  const rig = ended();
  assert.equal(
    rig.life(() => rig.pump.onData(data, 10)),
    3_000,
  );
  assert.equal(rig.received, 0);
});

test("one that falls silent is left lingerTimeout later", () => {
  const rig = ended();
  for (let i = 0; i < 5; i++) {
    rig.pump.onData(data, 10);
    rig.tick();
  }
  rig.pump.onData(data, 10);
  assert.equal(rig.life(), 1_000);
});

test("without limits, it is left when it has closed its side", () => {
  const rig = ended({ lingerTimeout: Infinity, maxLingerTime: Infinity });
  for (let i = 0; i < 1_000; i++) rig.tick();
  assert.deepEqual(rig.calls, ["end"]);
});
