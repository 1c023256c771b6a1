/** A line of those who wait, against a plain list of the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { WaitingQueue } from "../../src/threads/main/waiting_queue.ts";

test("first come, first served, whoever leaves in between", () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant("push") },
      { weight: 3, arbitrary: fc.constant("shift") },
      { weight: 3, arbitrary: fc.nat(40) },
      { weight: 1, arbitrary: fc.constant("clear") },
    ),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const line = new WaitingQueue<{ n: number }>();
      const list: { n: number }[] = [];
      let n = 0;
      for (const step of all) {
        if (step === "push") {
          const one = { n: n++ };
          line.push(one);
          list.push(one);
        } else if (step === "shift") {
          assert.equal(line.shift(), list.shift());
        } else if (step === "clear") {
          assert.deepEqual(line.clear(), list.splice(0));
        } else {
          const one = list[Number(step)] ?? { n: -1 };
          assert.equal(line.remove(one), list.includes(one));
          if (list.includes(one)) list.splice(list.indexOf(one), 1);
        }
        assert.equal(line.first, list[0]);
        assert.equal(line.size, list.length);
      }
    }),
  );
});

test("a line that is never empty takes no more and more memory", () => {
  const line = new WaitingQueue<object>();
  for (let i = 0; i < 5; i++) line.push({});
  for (let i = 0; i < 100_000; i++) {
    const one = {};
    line.push(one);
    if (i % 3 === 0) assert.ok(line.remove(one));
    else line.shift();
  }
  assert.equal(line.size, 5);
  assert.equal(line.clear().length, 5);
  assert.equal(line.first, undefined);
});
