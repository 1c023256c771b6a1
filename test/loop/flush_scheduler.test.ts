/** What leaves at the end of a turn, and which responses are held back for it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FlushScheduler, type FlushTask } from "../../src/loop/flush_scheduler.ts";

/** A turn whose end is called for. */
class Bench {
  readonly scheduler: FlushScheduler;
  now = 1000;
  #end: (() => void) | null = null;

  constructor() {
    this.scheduler = new FlushScheduler(
      (task) => {
        assert.equal(this.#end, null, "the end of one turn is asked for once");
        this.#end = task;
      },
      () => this.now,
    );
  }

  get awaited(): boolean {
    return this.#end !== null;
  }

  end(): void {
    const end = this.#end;
    this.#end = null;
    end?.();
  }

  /** So many responses in this turn. @returns the tasks that were held back */
  response(count: number): Task[] {
    const held: Task[] = [];
    for (let i = 0; i < count; i++) {
      const task = new Task();
      if (this.scheduler.hold(task)) held.push(task);
    }
    return held;
  }
}

class Task implements FlushTask {
  ended = 0;
  readonly #then: () => void;

  constructor(then: () => void = () => {}) {
    this.#then = then;
  }

  turnEnded(): void {
    this.ended++;
    this.#then();
  }
}

describe("the end of a turn", () => {
  test("is asked for once, and tasks come in the order in which they were added", () => {
    const bench = new Bench();
    const order: string[] = [];
    for (const name of ["a", "b", "c"]) bench.scheduler.add(new Task(() => order.push(name)));
    assert.deepEqual(order, []);
    bench.end();
    assert.deepEqual(order, ["a", "b", "c"]);
    assert.equal(bench.awaited, false);
  });

  test("has the tasks that its tasks add, too", () => {
    const bench = new Bench();
    const last = new Task();
    bench.scheduler.add(new Task(() => bench.scheduler.add(last)));
    bench.end();
    assert.equal(last.ended, 1);
    assert.equal(bench.awaited, false, "no other end is wanted for it");
  });

  test("a task that throws does not keep others from being run in the next turn", () => {
    const bench = new Bench();
    bench.scheduler.add(
      new Task(() => {
        throw new Error("a mistake");
      }),
    );
    assert.throws(() => bench.end(), /a mistake/);
    const task = new Task();
    bench.scheduler.add(task);
    bench.end();
    assert.equal(task.ended, 1);
  });
});

describe("responses that are held back", () => {
  test("none are, where they come one by one or few at a time", () => {
    const bench = new Bench();
    for (let i = 0; i < 20; i++) {
      assert.deepEqual(bench.response(1), []);
      bench.end();
    }
    for (let i = 0; i < 20; i++) {
      assert.deepEqual(bench.response(4), []);
      bench.end();
    }
  });

  test("all are, in a turn behind one that had many, until its end", () => {
    const bench = new Bench();
    assert.deepEqual(bench.response(64), [], "it was not known before");
    bench.end();
    for (let i = 0; i < 3; i++) {
      const held = bench.response(64);
      assert.equal(held.length, 64);
      assert.ok(held.every(({ ended }) => ended === 0));
      bench.end();
      assert.ok(held.every(({ ended }) => ended === 1));
    }
    assert.equal(bench.response(1).length, 1);
    bench.end();
    assert.deepEqual(bench.response(1), [], "nor behind one that had few");
  });

  test("those of the next turn leave with it, also where one came at the very end of this one", () => {
    const bench = new Bench();
    bench.response(64);
    bench.end();
    const late = new Task();
    bench.scheduler.add(new Task(() => assert.equal(bench.scheduler.hold(late), true)));
    bench.response(8);
    bench.end();
    assert.equal(late.ended, 1);
    const held = bench.response(1);
    assert.deepEqual([held.length, bench.awaited], [1, true]);
    bench.end();
    assert.equal(held[0].ended, 1);
  });

  test("a task that throws keeps none of the others from leaving", () => {
    const bench = new Bench();
    bench.response(64);
    bench.end();
    const other = new Task();
    for (const add of [(task: Task) => bench.scheduler.add(task), (task: Task) => void bench.scheduler.hold(task)])
      add(
        new Task(() => {
          throw new Error("on purpose");
        }),
      );
    const held = bench.response(8);
    bench.scheduler.add(other);
    for (let ends = 0; bench.awaited; ends++) {
      assert.ok(ends < 3);
      if (ends < 2) assert.throws(() => bench.end(), /on purpose/);
      else bench.end();
    }
    assert.ok([...held, other].every(({ ended }) => ended === 1));
  });

  test("a turn that gets long lets go of them, and holds none back any more", () => {
    const bench = new Bench();
    bench.response(64);
    bench.end();
    const held = bench.response(5);
    assert.equal(held.length, 5);
    bench.now += 3;
    const more = bench.response(8);
    assert.ok(
      held.every(({ ended }) => ended === 1),
      "they waited for no more than a few handlers",
    );
    assert.ok(more.every(({ ended }) => ended === 1));
    assert.ok(more.length < 8);
    assert.deepEqual(bench.response(8), []);
    bench.end();
    assert.ok(
      [...held, ...more].every(({ ended }) => ended === 1),
      "nobody is told twice",
    );
  });

  test("none are behind a turn whose handlers were slow, until they are quick again", () => {
    const bench = new Bench();
    for (let turn = 0; turn < 3; turn++) {
      for (let i = 0; i < 8; i++) {
        assert.deepEqual(bench.response(1), []);
        bench.now += 0.3;
      }
      bench.end();
    }
    bench.response(64);
    bench.end();
    assert.equal(bench.response(1).length, 1);
  });
});
