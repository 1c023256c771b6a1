/** Reads JSON more strictly than JSON.parse does, and its numbers exactly. */
import { parse } from "lossless-json";
import { HTTPError } from "../../src/mod.ts";
import { readNumber } from "./numbers.ts";
import { quote } from "./quote.ts";

/** Deeper than two numbers need, and not so deep that a reader which calls itself runs out of stack (RFC 8259 §9). */
const MAX_DEPTH = 1000;

/** Said in words: nobody sees the mark in the parser's own message, which quotes it. A writer must not add it (RFC 8259 §8.1). */
const BYTE_ORDER_MARK = "it begins with a byte order mark (U+FEFF), which must not stand before JSON.";

/**
 * Reads JSON (RFC 8259).
 * @returns the value, its numbers as `readNumber` has them
 * @throws {HTTPError} 400 for what is not JSON, a name that stands twice in an object, and what is nested too deeply
 */
export function readJson(text: string): unknown {
  try {
    JSON.parse(text);
  } catch (error) {
    throw refuse(text.startsWith("\ufeff") ? BYTE_ORDER_MARK : (error as Error).message);
  }
  checkObjects(text);
  return parse(text, undefined, { parseNumber: readNumber });
}

/**
 * Refuses names that stand twice: what they mean is anybody's guess (RFC 8259 §4), so that two readers on a request's way can take
 * it for two requests. The parser would let those pass whose values are equal.
 * @param text well-formed JSON
 */
function checkObjects(text: string): void {
  /** The names so far in each object that is open here; none for an array. */
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      const start = at;
      while (text[++at] !== '"') if (text[at] === "\\") at++;
      if (!isName(text, at + 1)) continue;
      const name = JSON.parse(text.slice(start, at + 1)) as string;
      const names = open.at(-1)!;
      if (names.has(name)) throw refuse(`the name ${quote(name)} stands twice in an object`);
      names.add(name);
    } else if (character === "{" || character === "[") {
      if (open.push(character === "{" ? new Set() : null) > MAX_DEPTH)
        throw refuse(`it is nested more than ${MAX_DEPTH.toLocaleString("en")} deep`);
    } else if (character === "}" || character === "]") {
      open.pop();
    }
  }
}

/** Whether the string that ends here is a name: only those have a colon behind them. */
function isName(text: string, end: number): boolean {
  COLON.lastIndex = end;
  return COLON.test(text);
}

const COLON = /[ \t\n\r]*:/y;

function refuse(why: string): HTTPError {
  return new HTTPError(400, {
    detail: `The content cannot be read as JSON, such as {"val_a": 3, "val_b": 4}: ${why}`,
  });
}
