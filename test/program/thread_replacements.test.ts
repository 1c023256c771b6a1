/** Threads in place of those that were lost: how fast they are started, and when they are not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ThreadReplacements, type ThreadReplacementsOptions } from "../../src/program/thread_replacements.ts";

/** Whoever has lost threads. */
class Owner {
  started = 0;
  room = Infinity;
  /** How many starts fail. */
  failing = 0;
  readonly waits: number[] = [];
  readonly replacements: ThreadReplacements;

  constructor(options: Partial<ThreadReplacementsOptions>) {
    this.replacements = new ThreadReplacements({ delay: 0, rate: Infinity, burst: 1, ...options }, this);
  }

  hasRoom(): boolean {
    return this.started < this.room;
  }

  startReplacement(): boolean {
    if (this.failing-- > 0) return false;
    this.started++;
    return true;
  }

  replacementsWait(milliseconds: number): void {
    this.waits.push(milliseconds);
  }

  async until(started: number): Promise<void> {
    while (this.started < started) await sleep(1);
  }
}

test("without a delay or a limit, each is started at once", () => {
  const owner = new Owner({});
  for (let lost = 1; lost <= 100; lost++) {
    owner.replacements.add();
    assert.equal(owner.started, lost);
  }
  assert.equal(owner.replacements.isOwing, false);
  assert.deepEqual(owner.waits, []);
});

test("a burst is started at once, others follow at the rate, and whoever has lost them hears of it once a wait", async () => {
  const owner = new Owner({ rate: 10, burst: 3 });
  const began = performance.now();
  for (let i = 0; i < 6; i++) owner.replacements.add();
  assert.equal(owner.started, 3);
  assert.equal(owner.replacements.isOwing, true);
  assert.deepEqual(owner.waits, [100]);
  await owner.until(6);
  assert.ok(performance.now() - began >= 295, "three more at 10 a second");
  assert.equal(owner.replacements.isOwing, false);
});

test("with a delay, each is started that long after its loss, and once more that long after a start that has failed", async () => {
  const owner = new Owner({ delay: 30 });
  owner.failing = 1;
  const began = performance.now();
  owner.replacements.add();
  owner.replacements.add();
  assert.deepEqual([owner.started, owner.replacements.isOwing], [0, true]);
  await owner.until(1);
  assert.ok(performance.now() - began >= 29);
  await owner.until(2);
  assert.ok(performance.now() - began >= 58);
  assert.deepEqual(owner.waits, []);
});

test("without room they wait for it", () => {
  const owner = new Owner({});
  owner.room = 1;
  owner.replacements.add();
  owner.replacements.add();
  assert.deepEqual([owner.started, owner.replacements.isOwing], [1, true]);
  owner.room = 2;
  owner.replacements.look();
  assert.deepEqual([owner.started, owner.replacements.isOwing], [2, false]);
});

test("once stopped, none is started any more for what was lost before", async () => {
  const delayed = new Owner({ delay: 5 });
  delayed.replacements.add();
  delayed.replacements.stop();
  const slow = new Owner({ rate: 200, burst: 1 });
  slow.replacements.add();
  slow.replacements.add();
  slow.replacements.stop();
  await sleep(50);
  assert.deepEqual([delayed.started, slow.started], [0, 1]);
  slow.replacements.look();
  assert.deepEqual([slow.started, slow.replacements.isOwing], [1, false]);
});
