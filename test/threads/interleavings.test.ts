/**
 * Whoever waits is woken: the event loop and threads take their turns in all orders, on one thread, and none leads to a state in which
 * all wait though something is left to be done. What looks at slots unasked four times a second does not run here.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Explorer, type Explored, type Fault, type Operation, type Result, type World } from "../support/explorer.ts";
import { thorough, thoroughly } from "../support/thorough.ts";
import {
  BUSY,
  IN_FULL,
  IN_PUT,
  IN_STATE,
  IN_TAKEN,
  IN_WAITING,
  LOOKING,
  MODE,
  OUT_FULL,
  RESTING,
  PoolMemory,
  TAIL,
} from "../../src/threads/shared/pool_memory.ts";
import { Handling } from "./simulated_thread.ts";
import { ATTENTION, layoutOf, Loop, ownWords, type Play, threadsFor } from "./simulated_event_loop.ts";

/** With PLINTH_EXPLORE=2, or Infinity, orders in which one more is interrupted: minutes, and gigabytes. */
const MORE = Number(process.env.PLINTH_EXPLORE ?? 0);

/** @param interruptions how often, at most, one goes on while another is in the midst of something */
function explore(play: Play, interruptions: number, faulty?: (memory: PoolMemory) => World["fault"]): Explored {
  const layout = layoutOf(play);
  const buffer = new ArrayBuffer(new PoolMemory(layout).buffer.byteLength) as unknown as SharedArrayBuffer;
  const memory = new PoolMemory(layout, buffer);
  const threads = threadsFor(memory, play);
  const fault = faulty?.(memory);
  return new Explorer({
    words: memory.words,
    sides: 1 + threads.length,
    make: (side, reach) =>
      side === 0 ? new Loop(play, buffer, threads, reach) : new Handling(play, buffer, side - 1, reach),
    own: (side) => ownWords(memory, side),
    interruptions,
    ...(fault === undefined ? {} : { fault }),
  }).explore();
}

/** The event loop may count on the thread that has taken the first request, and that waits for the response to the second. */
const counted: Play = { requests: [[4], []], handler: "awaits", threads: 2, waits: true };

describe("no wake-up is lost", () => {
  const plays: [name: string, interruptions: number, play: Play][] = [
    ["a request for a thread that rests, or is about to", Infinity, { requests: [[]], handler: "responses" }],
    ["two requests for one thread", 1, { requests: [[], []], handler: "responses" }],
    ["two requests for two threads", 0, { requests: [[], []], handler: "responses", threads: 2 }],
    [
      "the same, and each is given to its event loop first",
      0,
      { requests: [[], []], handler: "responses", slow: true },
    ],
    ["content for a handler that blocks", 1, { requests: [[4]], handler: "blocks" }],
    ["content for a handler that awaits", 1, { requests: [[4]], handler: "awaits" }],
    ["a conversation with a handler that blocks", 1, { requests: [[4, 4]], handler: "blocks", talks: true }],
    ["a conversation with a handler that awaits", 1, { requests: [[4, 4]], handler: "awaits", talks: true }],
    ["more content than a ring holds, blocking", 0, { requests: [[32, 32]], handler: "blocks" }],
    ["more content than a ring holds, awaiting", 0, { requests: [[32, 32]], handler: "awaits" }],
    ["the same, read and not said back", 2, { requests: [[64]], handler: "reads" }],
    ["the same, read in small pieces", 0, { requests: [[32, 16]], handler: "blocks", reads: 12 }],
    ["a client that takes little at a time, blocking", 1, { requests: [[40]], handler: "blocks", takes: 10 }],
    ["a client that takes little at a time, awaiting", 0, { requests: [[40]], handler: "awaits", takes: 10 }],
    ["a handler that awaits reads and blocks in writes", 0, { requests: [[40]], handler: "mixes", takes: 10 }],
    ["a handler that does not await its writes", 0, { requests: [[40]], handler: "pours", takes: 10 }],
    [
      "a thread that was counted on, and whose handler goes on until another request gets a response",
      0,
      { ...counted, soon: true },
    ],
    ["two requests with content, one behind the other", 0, { requests: [[4], [4]], handler: "awaits" }],
  ];
  for (const [name, interruptions, play] of plays) {
    test(name, (t) => {
      const began = performance.now();
      // In the short run none, but where there is no bound.
      const most = thorough || interruptions === Infinity ? interruptions : 0;
      const { states, ends, stuck } = explore(play, Math.max(most, MORE));
      t.diagnostic(`${states} states, ${ends} ends, ${(performance.now() - began).toFixed(0)} ms`);
      assert.ok(stuck === null, `all wait:\n${stuck?.join("\n")}`);
      assert.ok(ends > 0, "no way comes to an end");
    });
  }
});

/**
 * What would be lost without each of the looks that see to it. These are the same sides, but for one operation, which is left out, or
 * comes late.
 */
describe("a wake-up is lost", () => {
  /** Has one side do something else in the place of its operations. */
  const faulty =
    (side: number, make: (at: (word: number) => number, memory: PoolMemory) => Fault) =>
    (memory: PoolMemory): World["fault"] => {
      const at = (word: number): number => memory.slotAt(0) + word;
      return (who) => (who === side ? make(at, memory) : (operation, run) => run(operation));
    };

  /** Behind an operation, words are not looked at once more: it goes by what it has seen before. */
  const notAgain = (isLast: (operation: Operation, result: Result) => boolean, words: readonly number[]): Fault => {
    const seen = new Map<number, Result>();
    let left: number[] = [];
    return (operation, run) => {
      const { kind, index } = operation;
      if (kind === "load" && left.includes(index)) {
        left = left.filter((word) => word !== index);
        run(operation);
        return seen.get(index)!;
      }
      const result = run(operation);
      if (kind === "load" && words.includes(index)) seen.set(index, result);
      if (isLast(operation, result)) left = [...words];
      return result;
    };
  };

  const isStore = ({ kind, index, value }: Operation, word: number, what: number): boolean =>
    kind === "store" && index === word && value === what;

  /** A store is done later. */
  const late = (
    isIt: (operation: Operation) => boolean,
    isBehind: (operation: Operation, result: Result) => boolean,
  ): Fault => {
    let held: Operation | null = null;
    return (operation, run) => {
      if (isIt(operation)) {
        held = operation;
        return operation.value;
      }
      const result = run(operation);
      if (held !== null && isBehind(operation, result)) {
        const store = held;
        held = null;
        run(store);
      }
      return result;
    };
  };

  const faults: [name: string, play: Play, fault: (memory: PoolMemory) => World["fault"]][] = [
    [
      "where a thread does not look for content once more behind saying that it waits",
      { requests: [[4]], handler: "awaits" },
      faulty(1, (at) => notAgain((operation) => isStore(operation, at(IN_WAITING), 1), [at(IN_STATE), at(IN_PUT)])),
    ],
    [
      "where a thread counts the bell only when it blocks",
      { requests: [[4]], handler: "blocks" },
      faulty(1, (_, memory) => {
        const { words } = memory;
        return (operation, run) =>
          run(operation.kind === "wait" ? { ...operation, value: words[operation.index] } : operation);
      }),
    ],
    [
      "where a thread does not look at the queue once more behind saying that it rests",
      { requests: [[]], handler: "responses" },
      faulty(1, (_, memory) => {
        const mode = memory.threadAt(0) + MODE;
        let seen: Result = 0;
        let rests = false;
        return (operation, run) => {
          const { kind, index, replacement } = operation;
          const result = run(operation);
          if (isStore(operation, mode, RESTING)) rests = true;
          else if (kind === "compareExchange" && index === mode && replacement === BUSY) rests = false;
          if (kind !== "load" || index !== TAIL) return result;
          return rests ? seen : (seen = result);
        };
      }),
    ],
    [
      "where a thread says that it waits for room only when it has told of what it has put",
      { requests: [[40]], handler: "blocks" },
      faulty(1, (at) =>
        late(
          (operation) => isStore(operation, at(OUT_FULL), 1),
          // It has called.
          ({ kind, index }, result) =>
            kind === "post" || (index === LOOKING && result !== 0 && (kind === "load" || kind === "exchange")),
        ),
      ),
    ],
    [
      "where the event loop does not look for room once more behind saying that it waits",
      { requests: [[32, 32]], handler: "reads" },
      faulty(0, (at) => notAgain((operation) => isStore(operation, at(IN_FULL), 1), [at(IN_TAKEN)])),
    ],
    [
      "where the event loop says that it does not look any more only when it has looked",
      { requests: [[4]], handler: "awaits" },
      faulty(0, () =>
        late(
          (operation) => isStore(operation, LOOKING, 0),
          ({ kind, index }, result) => index === ATTENTION && (kind === "exchange" || result === 0),
        ),
      ),
    ],
  ];
  // Each is one operation that the model leaves out: the short run has every third.
  for (const [i, [name, play, fault]] of faults.entries()) {
    (i % 3 === 0 ? test : thoroughly(test))(name, () => {
      const { stuck } = explore(play, 2, fault);
      assert.ok(stuck !== null, "it is not seen");
    });
  }

  test("where the event loop does not look some time later whether a thread that it has counted on has come", () => {
    assert.ok(explore(counted, 0).stuck !== null, "it is not seen");
  });
});
