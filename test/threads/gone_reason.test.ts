/** Why a client has gone, as a word of shared memory says it: each reason is read as it was written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PROTOCOL_ERRORS } from "../../src/protocol/errors.ts";
import type { GoneReason } from "../../src/protocol/exchange.ts";
import { decodeGone, encodeGone } from "../../src/threads/shared/gone_reason.ts";

test("every kind, with every protocol error, whether or not there can be a response", () => {
  const reasons: GoneReason[] = (["half-closed", "closed", "cancelled", "shutdown"] as const).map((kind) => ({ kind }));
  for (const kind of ["malformed", "timeout"] as const)
    for (const error of PROTOCOL_ERRORS)
      for (const canRespond of [true, false]) reasons.push({ kind, error, canRespond });
  const words = new Set<number>();
  for (const reason of reasons) {
    const word = encodeGone(reason);
    assert.ok(word > 0 && word < 2 ** 31, "0 is a client that is there, and words are signed");
    assert.deepEqual(decodeGone(word), reason);
    words.add(word);
  }
  assert.equal(words.size, reasons.length);
});
