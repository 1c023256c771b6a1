/** What a runtime says of a connection's other end, and what is made of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { peerOf } from "../../src/transport/peer.ts";

for (const [host, port, peer] of [
  ["127.0.0.1", 1, ["127.0.0.1", 1]],
  ["::1", 65_535, ["::1", 65_535]],
  ["::ffff:192.0.2.7", 80, ["192.0.2.7", 80]],
  ["::ffff:0:192.0.2.7", 80, ["::ffff:0:192.0.2.7", 80]], // translated, not mapped (RFC 2765 §2.1)
  ["::ffff:1", 80, ["::ffff:1", 80]], // an IPv6 address with nothing of IPv4 in it
  ["::", 80, ["::", 80]],
  ["fe80::1%eth0", 80, ["fe80::1%eth0", 80]],
  ["2001:db8::ffff:1.2.3.4", 80, ["2001:db8::ffff:1.2.3.4", 80]],
  ["", 0, ["", 0]],
  [undefined, undefined, ["", 0]],
] as const) {
  test(`${host}, port ${port}, is ${JSON.stringify(peer)}`, () => assert.deepEqual(peerOf(host, port), peer));
}
