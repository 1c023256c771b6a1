/** The head of a request passes through shared memory as it is, or is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Exchange, Peer } from "../../src/protocol/exchange.ts";
import { Fields } from "../../src/protocol/fields.ts";
import { DEFAULT_LIMITS } from "../../src/protocol/limits.ts";
import {
  headSizeFor,
  readTrailers,
  ThreadHead,
  type Route,
  writeContent,
  writeEnd,
  writeHead,
} from "../../src/threads/shared/heads.ts";
import {
  BODY_LENGTH,
  DONE,
  FLAGS,
  GONE,
  IN_FULL,
  IN_PUT,
  IN_STATE,
  IN_TAKEN,
  IN_WAITING,
  IN_WANTED,
  OUT_FULL,
  OUT_PUT,
  OUT_TAKEN,
  PoolMemory,
  STARTED,
} from "../../src/threads/shared/pool_memory.ts";
import { ContentRing } from "../../src/threads/shared/rings.ts";

const SLOT = 1;

const latin1 = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((c) => String.fromCharCode(c)),
  maxLength: 40,
});
const anyText = fc.string({ unit: "binary", maxLength: 12 });
const fields = fc.array(fc.tuple(latin1, latin1), { maxLength: 12 });
const params = fc.dictionary(
  fc.oneof(anyText, fc.constantFrom("имя", "名前", "__proto__", "\ud800")),
  fc.oneof(anyText, latin1),
);
const route: fc.Arbitrary<Route | null> = fc.oneof(
  fc.constant(null),
  fc.record({ index: fc.nat(5), params, fallback: fc.boolean() }),
);

/** Fields as a reader of heads makes them: spans in a text that has more in it than names and values. */
function fieldsOf(list: readonly (readonly [string, string])[], before = "GET / HTTP/1.1\r\n"): Fields {
  let text = before;
  const spans: number[] = [];
  for (const [name, value] of list) {
    spans.push(text.length, text.length + name.length);
    text += `${name}: `;
    spans.push(text.length, text.length + value.length);
    text += `${value}\r\n`;
  }
  return new Fields(text, spans);
}

interface Request {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly authority: string | null;
  readonly list: readonly (readonly [string, string])[];
  readonly peer: Peer;
  readonly bodyLength: number;
  readonly waitsForContinue: boolean;
}

const request: fc.Arbitrary<Request> = fc.record({
  method: latin1,
  target: latin1,
  version: fc.constantFrom("HTTP/1.0", "HTTP/1.1"),
  authority: fc.option(latin1),
  list: fields,
  peer: fc.tuple(fc.constantFrom("", "127.0.0.1", "fe80::1%eth0"), fc.nat(65_535)),
  bodyLength: fc.constantFrom(-1, 0, 5, 2 ** 40),
  waitsForContinue: fc.boolean(),
});

const plain: Request = {
  method: "GET",
  target: "/",
  version: "HTTP/1.1",
  authority: "a",
  list: [],
  peer: ["::1", 1],
  bodyLength: 0,
  waitsForContinue: false,
};

function exchangeOf({ method, target, version, authority, list, peer, ...rest }: Request): Exchange {
  return {
    ...rest,
    connection: { clientAddress: peer, alpn: null, secure: null },
    head: { method, target, version, authority, fields: fieldsOf(list) },
  } as unknown as Exchange;
}

function memoryOf(headSize: number): PoolMemory {
  return new PoolMemory({ threads: 1, slots: 3, headSize, ringSize: 64 });
}

test("any head, with whatever a router has found, is read as it was written", () => {
  const memory = memoryOf(8192);
  fc.assert(
    fc.property(request, route, (request, route) => {
      const { method, target, version, authority, list, peer, bodyLength, waitsForContinue } = request;
      memory.bytes.fill(0xee, memory.headAt(0), memory.outAt(2));
      assert.ok(writeHead(memory, SLOT, exchangeOf(request), route));
      const read = new ThreadHead(memory, SLOT);
      const head = { method: read.method, target: read.target, version: read.version, authority: read.authority };
      assert.deepEqual(head, { method, target, version, authority });
      assert.deepEqual([...read.fields], list);
      const { clientAddress, alpn, secure } = read.connection;
      assert.deepEqual([clientAddress, alpn, secure], [peer, null, null]);
      assert.deepEqual(read.route, route && { ...route, params: JSON.parse(JSON.stringify(route.params)) as unknown });
      assert.equal(memory.words[memory.slotAt(SLOT) + FLAGS], waitsForContinue ? 1 : 0);
      assert.equal(memory.numbers[memory.numbersAt(SLOT) + BODY_LENGTH], bodyLength);
      for (let i = memory.headAt(0); i < memory.outAt(2); i++)
        if (i === memory.headAt(SLOT)) i = memory.inAt(SLOT);
        else if (memory.bytes[i] !== 0xee) assert.fail("something was written beside the head");
    }),
  );
});

test("what is read stays as it was when the slot has its next request, or trailers", () => {
  const memory = memoryOf(1024);
  const list = [["Name", "value"]] as const;
  writeHead(memory, SLOT, exchangeOf({ ...plain, list }), { index: 2, params: { a: "b" }, fallback: true });
  const head = new ThreadHead(memory, SLOT);
  memory.bytes.fill(0);
  memory.words.fill(0);
  assert.deepEqual(
    [
      head.method,
      head.target,
      head.version,
      head.authority,
      head.connection.clientAddress,
      [...head.fields],
      head.route,
    ],
    ["GET", "/", "HTTP/1.1", "a", ["::1", 1], list, { index: 2, params: { a: "b" }, fallback: true }],
  );
});

test("a slot's next request finds nothing of the one before", () => {
  const memory = memoryOf(1024);
  const at = memory.slotAt(SLOT);
  memory.words.fill(7, at + GONE, at + DONE + 1);
  memory.numbers.fill(7, memory.numbersAt(SLOT), memory.numbersAt(SLOT) + 4);
  writeHead(memory, SLOT, exchangeOf(plain), null);
  const others = [IN_TAKEN, IN_WANTED, IN_WAITING, IN_FULL, OUT_TAKEN, OUT_FULL];
  for (const word of [GONE, IN_PUT, IN_STATE, OUT_PUT, DONE, ...others])
    assert.equal(memory.words[at + word], 0, `word ${word}`);
  assert.equal(memory.numbers[memory.numbersAt(SLOT) + STARTED], 0);
});

test("a head that does not fit is refused, and one that just does is not", () => {
  const fits = (headSize: number, target: number, count: number): boolean => {
    const list = Array.from({ length: count }, () => ["", ""] as const);
    return writeHead(memoryOf(headSize), SLOT, exchangeOf({ ...plain, target: "x".repeat(target), list }), null);
  };
  // The texts: "GET / HTTP/1.1\r\n" of the fields, then "GET", "HTTP/1.1", "a", "::1"; four words for a field.
  const others = 16 + 3 + 8 + 1 + 3;
  assert.deepEqual([fits(512, 512 - others, 0), fits(512, 513 - others, 0)], [true, false]);
  const text = others + 4 * ": \r\n".length;
  assert.deepEqual([fits(512, 512 - text - 64, 4), fits(512, 513 - text - 64, 4)], [true, false]);
});

test("whatever the limits let pass fits; where they have no end, there is one", () => {
  const limits = { ...DEFAULT_LIMITS, maxHeadSize: 40_000, maxTargetSize: 38_000, maxFields: 50 };
  const memory = memoryOf(headSizeFor(limits, false));
  const list = Array.from({ length: 50 }, (_, i) => [`N${i}`, "v".repeat(29)] as const);
  const long = "x".repeat(37_000);
  // What is long stands in the head, in the target, and once more in the authority or in what a router has found.
  for (const [target, authority, rest] of [
    [`http://${long}/`, long, ""],
    [`/${long}`, "a", long],
  ]) {
    const fields = fieldsOf(list, `GET ${target} HTTP/1.1\r\n`);
    const [text] = Fields.parts(fields);
    assert.ok(text.length > 38_500 && text.length < 40_000, `a head of ${text.length} bytes`);
    const exchange = { ...exchangeOf(plain), head: { method: "GET", target, version: "HTTP/1.1", authority, fields } };
    assert.ok(writeHead(memory, SLOT, exchange as Exchange, { index: 0, params: { rest }, fallback: false }));
  }
  const open = { ...DEFAULT_LIMITS, maxHeadSize: Infinity, maxFields: Infinity, maxTargetSize: Infinity };
  for (const [limits, most] of [
    [DEFAULT_LIMITS, 80 * 1024],
    [{ ...open, maxTrailerSize: Infinity, maxTrailers: Infinity }, 9 * 1024 * 1024],
  ] as const) {
    const size = headSizeFor(limits, false);
    assert.ok(size % 8 === 0 && size > 32 * 1024 && size <= most, String(size));
  }
});

test("a head of 1 MiB fits where limits allow one, whatever it is made of", () => {
  const open = { ...DEFAULT_LIMITS, maxHeadSize: Infinity, maxFields: Infinity, maxTargetSize: Infinity };
  const most = 1024 * 1024;
  const line = "GET / HTTP/1.1\r\n".length;
  const lists = [
    Array.from({ length: Math.floor((most - line) / "a: \r\n".length) }, () => ["a", ""] as const),
    Array.from({ length: 100 }, () => ["a", "x".repeat(10_000)] as const),
    [],
  ];
  for (const limits of [open, { ...open, maxHeadSize: most, maxFields: 2 ** 20, maxTargetSize: most }]) {
    const memory = memoryOf(headSizeFor(limits, false));
    for (const list of lists) {
      const target = list.length === 0 ? `http://${"x".repeat(most - 100)}/` : "/";
      const fields = fieldsOf(list, `GET ${target} HTTP/1.1\r\n`);
      const authority = list.length === 0 ? target.slice(7, -1) : "a";
      const exchange = {
        ...exchangeOf(plain),
        head: { method: "GET", target, version: "HTTP/1.1", authority, fields },
      };
      assert.ok(writeHead(memory, SLOT, exchange as Exchange, null), `${list.length} fields`);
    }
  }
});

test("trailers take the place of the head, or are refused", () => {
  const memory = memoryOf(256);
  const at = memory.slotAt(SLOT);
  fc.assert(
    fc.property(fc.array(fc.tuple(latin1, latin1), { maxLength: 2 }), (list) => {
      writeHead(memory, SLOT, exchangeOf(plain), null);
      assert.ok(writeEnd(memory, SLOT, fieldsOf(list, "")));
      assert.equal(memory.words[at + IN_STATE], 2);
      assert.deepEqual([...readTrailers(memory, SLOT)], list);
    }),
  );
  writeHead(memory, SLOT, exchangeOf(plain), null);
  assert.ok(!writeEnd(memory, SLOT, fieldsOf([["Name", "x".repeat(300)]], "")));
  assert.equal(memory.words[at + IN_STATE], 0, "the handler does not see an end");
  assert.ok(writeEnd(memory, SLOT, undefined));
  assert.equal(memory.words[at + IN_STATE], 1);
});

test("content that has come already is in the ring", () => {
  const memory = memoryOf(256);
  writeHead(memory, SLOT, exchangeOf(plain), null);
  writeContent(memory, SLOT, Buffer.from("hello"));
  const to = Buffer.alloc(10);
  assert.equal(new ContentRing(memory, SLOT).take(to, 0, 10), 5);
  assert.equal(to.toString("latin1", 0, 5), "hello");
});
