/** Each runtime has its own way with bytes and text: all of them do the same. (They use nothing that another has not.) */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import * as bun from "../../src/protocol/bytes/bun.ts";
import * as deno from "../../src/protocol/bytes/deno.ts";
import * as node from "../../src/protocol/bytes/node.ts";

const latin1 = (maxLength: number) =>
  fc.oneof(
    fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength }),
    fc.string({ unit: fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength }),
  );

for (const [name, { encode, move, writeLatin1 }] of Object.entries({ node, bun, deno })) {
  describe(name, () => {
    test("text of characters up to U+00FF is written one byte a character, and nothing beside it", () => {
      fc.assert(
        fc.property(latin1(200), fc.nat(10), (text, at) => {
          const bytes = Buffer.alloc(at + text.length + 10, 0x2a);
          writeLatin1(bytes, at, text);
          const expected = `${"*".repeat(at)}${text}${"*".repeat(10)}`;
          assert.deepEqual(
            [...bytes],
            Array.from(expected, (c) => c.charCodeAt(0)),
          );
        }),
        { numRuns: 500 },
      );
    });

    test("at the very end of memory, too", () => {
      for (const text of ["é".repeat(60), "a".repeat(60), `${"a".repeat(59)}é`, `é${"a".repeat(59)}`, "éa", ""]) {
        const bytes = Buffer.alloc(text.length);
        writeLatin1(bytes, 0, text);
        assert.equal(bytes.toString("latin1"), text);
      }
    });

    test("text is encoded in UTF-8, half characters as U+FFFD, and the bytes are nobody else's", () => {
      fc.assert(
        fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
          const bytes = encode(text);
          assert.deepEqual([...bytes], [...new TextEncoder().encode(text)]);
          const copy = Buffer.from(bytes);
          encode("x".repeat(text.length));
          assert.deepEqual(bytes, copy);
        }),
      );
      assert.deepEqual([...encode("a\ud800b")], [...new TextEncoder().encode("a\ufffdb")]);
    });

    test("bytes are moved, between memory of any kind, and nothing beside them", () => {
      const kinds = [
        (n: number) => Buffer.alloc(n),
        (n: number) => new Uint8Array(n),
        (n: number) => Buffer.from(new SharedArrayBuffer(n)),
      ];
      const place = fc.record({ kind: fc.constantFrom(...kinds), at: fc.nat(9) });
      fc.assert(
        fc.property(place, place, fc.integer({ min: 0, max: 3000 }), (one, other, length) => {
          const from = one.kind(one.at + length + 9);
          for (let i = 0; i < from.length; i++) from[i] = 1 + (i % 251);
          const to = other.kind(other.at + length + 9);
          move(from, one.at, one.at + length, to, other.at);
          const expected = new Uint8Array(to.length);
          for (let i = 0; i < length; i++) expected[other.at + i] = from[one.at + i];
          assert.deepEqual([...to], [...expected]);
        }),
      );
    });
  });
}
