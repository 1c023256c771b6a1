/** Operands in the request target: `/val_a/3/val_b/4/` and `/?val_a=3&val_b=4`. */
import type { BaseHTTPRequestHandler } from "../../src/mod.ts";
import { NAMES } from "./contract.ts";
import { type Given, merge, readPairs, readParams } from "./given.ts";

/** What a target says. */
export interface Target {
  /** The operands in its path and its query. */
  readonly given: Given;
  /** There are some. */
  readonly hasOperands: boolean;
  /** Its path is neither "/" nor operands. */
  readonly isElsewhere: boolean;
}

/** What "/" says. */
export const ROOT: Target = { given: {}, hasOperands: false, isElsewhere: false };

/** @throws {HTTPError} 400 for an operand that is given twice, and for a path of operands that cannot be read */
export function readTarget(request: BaseHTTPRequestHandler): Target {
  const { pathname } = request;
  const hasParams = pathname.split("/").some(isName);
  const given = merge(hasParams ? readParams(request.pathParams) : {}, readPairs(request.query));
  return {
    given,
    hasOperands: hasParams || Object.keys(given).length > 0,
    isElsewhere: !hasParams && pathname !== "/",
  };
}

/** Whether a segment names an operand. Escaped letters are the letters (RFC 3986 §6.2.2.2). */
function isName(segment: string): boolean {
  const name = segment.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return (NAMES as readonly string[]).includes(name);
}
