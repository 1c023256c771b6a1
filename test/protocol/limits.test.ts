/** Every limit at its edge: what is exactly at it passes, one more does not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_LIMITS, type Limits, limitsFrom } from "plinth/protocol";
import { Driver, exchangesOf } from "../support/driver.ts";
import { chunked, post, request } from "../support/requests.ts";

const counted = (size: number): string => post("x".repeat(size));

/** A request that needs `size` of a limit, and what it is refused with when that is too much. */
const needs: [limit: keyof Limits, code: string, make: (size: number) => string, smallest: number][] = [
  ["maxTargetSize", "TARGET_TOO_LONG", (size) => request(`GET /${"x".repeat(size - 1)} HTTP/1.1`, "Host: a"), 1],
  [
    "maxTargetSize",
    "TARGET_TOO_LONG",
    (size) => request(`GET http://a/${"x".repeat(size - 9)} HTTP/1.1`, "Host: a"),
    9,
  ],
  ["maxHeadSize", "HEAD_TOO_LARGE", (size) => request("GET / HTTP/1.1", "Host: a", `X: ${"x".repeat(size - 32)}`), 33],
  [
    "maxHeadSize",
    "HEAD_TOO_LARGE",
    (size) => "\r\n".repeat((size - 27) / 2) + request("GET / HTTP/1.1", "Host: a"),
    27,
  ],
  ["maxHeadSize", "HEAD_TOO_LARGE", (size) => request(`${"M".repeat(size - 24)} / HTTP/1.1`, "Host: a"), 25],
  [
    "maxFields",
    "FIELDS_TOO_MANY",
    (size) => request("GET / HTTP/1.1", "Host: a", ...Array<string>(size - 1).fill("X:")),
    1,
  ],
  ["maxBodySize", "BODY_TOO_LARGE", counted, 0],
  ["maxBodySize", "BODY_TOO_LARGE", (size) => chunked(`${size.toString(16)}\r\n${"x".repeat(size)}\r\n0\r\n\r\n`), 1],
  ["maxBodySize", "BODY_TOO_LARGE", (size) => chunked("1\r\nx\r\n".repeat(size) + "0\r\n\r\n"), 0],
  [
    "maxChunkExtensionSize",
    "CHUNK_EXTENSIONS_TOO_LARGE",
    (size) => chunked(`1;${"a".repeat(size - 1)}\r\nx\r\n0\r\n\r\n`),
    2,
  ],
  [
    "maxChunkExtensionSize",
    "CHUNK_EXTENSIONS_TOO_LARGE",
    (size) => chunked("1;a\r\nx\r\n".repeat(size / 2) + "0\r\n\r\n"),
    2,
  ],
  ["maxTrailerSize", "TRAILERS_TOO_LARGE", (size) => chunked(`0\r\nA: ${"x".repeat(size - 5)}\r\n\r\n`), 5],
  ["maxTrailers", "TRAILERS_TOO_LARGE", (size) => chunked("0\r\n" + "A:\r\n".repeat(size) + "\r\n"), 0],
];

describe("a limit on size", () => {
  for (const [name, code, make, smallest] of needs) {
    for (const limit of new Set([smallest, smallest + 2, 64, 500, 4096])) {
      const parity = (limit - smallest) % 2; // some needs come in twos
      const size = limit - parity;
      if (size < smallest) continue;
      test(`${name} ${size}: ${JSON.stringify(make(size).slice(0, 60))}`, () => {
        // The one under test is the only one. (No rate is no limit on it: it is the least, not the most.)
        const all = Object.fromEntries(Object.keys(DEFAULT_LIMITS).map((key) => [key, Infinity]));
        const open = { ...all, minBodyRate: 0 };
        for (const split of ["whole", "bytes", [3, 50, 51, 300]] as const) {
          const at = exchangesOf(make(size), split, { limits: { ...open, [name]: size } });
          assert.deepEqual([at.error, at.exchanges.length], [null, 1]);
          assert.equal(at.exchanges[0].complete, true);
          for (const over of [size - 1, size - 2]) {
            if (over < 0) continue;
            const { error, output, closing } = exchangesOf(make(size), split, { limits: { ...open, [name]: over } });
            assert.deepEqual([error, closing], [code, "end"]);
            assert.match(output, /^HTTP\/1\.1 4(?:13|14|31) /);
          }
        }
      });
    }
  }

  test("is passed before it is waited for: an endless line is refused at the limit", () => {
    const endless: [string, string, string][] = [
      ["", "M", "HEAD_TOO_LARGE"],
      ["GET /", "x", "TARGET_TOO_LONG"],
      ["GET / HTTP/1.1\r\n", "X", "HEAD_TOO_LARGE"],
      ["GET / HTTP/1.1\r\nX:", " ", "HEAD_TOO_LARGE"],
      ["GET / HTTP/1.1\r\nX: ", "x", "HEAD_TOO_LARGE"],
      ["", "\r\n", "HEAD_TOO_LARGE"],
      ["GET / HTTP/1.1\r\n", "X:\r\n", "FIELDS_TOO_MANY"],
      [chunked("1;"), "a", "CHUNK_EXTENSIONS_TOO_LARGE"],
      [chunked("1"), " ", "CHUNK_EXTENSIONS_TOO_LARGE"],
      [chunked('1;a="'), "\\a", "CHUNK_EXTENSIONS_TOO_LARGE"],
      [chunked(""), "0", "CHUNK_SIZE_INVALID"],
      [chunked("0\r\n"), "X", "TRAILERS_TOO_LARGE"],
      [chunked("0\r\nA:"), " ", "TRAILERS_TOO_LARGE"],
      [chunked("0\r\n"), "A:\r\n", "TRAILERS_TOO_LARGE"],
      [chunked(""), "1;a\r\nx\r\n", "CHUNK_EXTENSIONS_TOO_LARGE"],
      [chunked(""), "100\r\n" + "x".repeat(256) + "\r\n", "BODY_TOO_LARGE"],
    ];
    for (const [begin, again, code] of endless) {
      const driver = new Driver({ maxBodySize: 100_000 }, (call) => {
        call.whenReadable = () => void call.readAll();
        call.readAll();
      });
      driver.feed(begin);
      let fed = 0;
      while (driver.overload.length === 0) {
        assert.ok((fed += again.length) < 150_000, `${JSON.stringify(begin + again)} is taken without an end`);
        driver.feed(again);
      }
      assert.equal(driver.overload[0].code, code, JSON.stringify(begin + again.slice(0, 20)));
    }
  });
});

describe("limitsFrom", () => {
  test("gives the defaults, which are those that the design names", () => {
    assert.deepEqual(limitsFrom({}), DEFAULT_LIMITS);
    assert.deepEqual(
      { ...DEFAULT_LIMITS },
      {
        maxTargetSize: 8_192,
        maxHeadSize: 32_768,
        maxFields: 100,
        maxBodySize: 16_777_216,
        maxChunkExtensionSize: 16_384,
        maxTrailerSize: 8_192,
        maxTrailers: 32,
        headTimeout: 20_000,
        keepAliveTimeout: 75_000,
        minBodyRate: 500,
        bodyTimeout: 20_000,
        maxDrainSize: 65_536,
        drainTimeout: 2_000,
      },
    );
    assert.ok(Object.isFrozen(DEFAULT_LIMITS));
  });

  test("puts what is named in their place, and leaves the rest alone", () => {
    for (const name of Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]) {
      const isWhole = name.startsWith("max");
      for (const value of [
        ...(name === "headTimeout" ? [] : [0]),
        1,
        ...(isWhole ? [] : [1.5]),
        ...(name === "minBodyRate" ? [] : [Infinity]),
      ]) {
        assert.deepEqual(limitsFrom({ [name]: value }), { ...DEFAULT_LIMITS, [name]: value });
      }
      assert.deepEqual(limitsFrom({ [name]: undefined }), DEFAULT_LIMITS);
    }
    assert.deepEqual(limitsFrom({ other: 5 } as Partial<Limits>), DEFAULT_LIMITS);
  });

  test("refuses what is no limit, and says which", () => {
    for (const name of Object.keys(DEFAULT_LIMITS)) {
      for (const value of [-1, NaN, -Infinity, "5", null, {}, true]) {
        assert.throws(
          () => limitsFrom({ [name]: value as number }),
          { name: typeof value === "number" ? "RangeError" : "TypeError", message: new RegExp(`^${name} must be `) },
          `${name}: ${String(value)}`,
        );
      }
    }
    for (const [wrong, message] of [
      [
        { minBodyRate: Infinity },
        "minBodyRate must be a number of bytes a second, 0 or more, and finite, not Infinity",
      ],
      [{ headTimeout: 0 }, "headTimeout must be a number of milliseconds above 0 (Infinity for no limit), not 0"],
      [{ maxHeadSize: 1.5 }, "maxHeadSize must be a whole number of bytes, 0 or more (Infinity for no limit), not 1.5"],
      [{ maxFields: 1.5 }, "maxFields must be a whole number, 0 or more (Infinity for no limit), not 1.5"],
    ] as const)
      assert.throws(() => limitsFrom(wrong), { name: "RangeError", message });
  });
});
