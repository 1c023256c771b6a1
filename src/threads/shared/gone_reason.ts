/** The reason why a client has gone, encoded as one word of shared memory. 0 stands for a client that is there. */
import { PROTOCOL_ERRORS } from "../../protocol/errors.ts";
import type { GoneReason } from "../../protocol/exchange.ts";

const KINDS: readonly GoneReason["kind"][] = ["half-closed", "closed", "cancelled", "malformed", "timeout", "shutdown"];

// Bits 0 to 7: 1 + the index of the kind. Bits 8 to 23: 1 + the index of the protocol error, 0 for none. Bit 24: the client can still get
// a response.
const CAN_RESPOND = 1 << 24;

/** Encodes a reason as a word. */
export function encodeGone({ kind, error, canRespond }: GoneReason): number {
  const row = error === undefined ? 0 : 1 + PROTOCOL_ERRORS.indexOf(error);
  return 1 + KINDS.indexOf(kind) + 256 * row + (canRespond === true ? CAN_RESPOND : 0);
}

/** Decodes a word. @param word not 0 */
export function decodeGone(word: number): GoneReason {
  const kind = KINDS[(word & 0xff) - 1];
  const error = PROTOCOL_ERRORS[((word >> 8) & 0xffff) - 1];
  return error === undefined ? { kind } : { kind, error, canRespond: (word & CAN_RESPOND) !== 0 };
}
