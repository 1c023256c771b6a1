/** What the cases share. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestContext } from "node:test";
import type { RequestHandlerClass, Router } from "plinth";
import type { Client, Exchange, Mode, Served, ServeOptions } from "./mode.ts";

/** Registers a case. The mode's own file does it, so that the report tells the modes apart. */
export type Register = (name: string, run: (t: TestContext) => Promise<void>) => void;

/** How long anything may take that must come some time, in milliseconds. */
const PATIENCE = 10_000;

/** Serves until the test ends, or longer where the mode shares its servers, and connects to it. */
export async function connect(
  t: TestContext,
  mode: Mode,
  handler: RequestHandlerClass | Router,
  options?: ServeOptions,
): Promise<Client> {
  const isShared = options === undefined && mode.share !== undefined;
  return (await (isShared ? mode.share(t, handler) : mode.serve(t, handler, options))).client();
}

/** Waits until `look` finds something. Cases look again and again, since what they wait for may happen elsewhere. */
export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  patience = PATIENCE,
): Promise<T> {
  const deadline = performance.now() + patience;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    assert.ok(performance.now() < deadline, `waited in vain: ${what}`);
    await sleep(1);
  }
}

/** Waits for a line of the log. @returns what of it matches */
export async function logged(served: Served, pattern: RegExp): Promise<RegExpExecArray> {
  const find = (): RegExpExecArray | undefined => {
    for (const line of served.log()) {
      const match = pattern.exec(line);
      if (match !== null) return match;
    }
    return undefined;
  };
  return until(find, `a line ${String(pattern)} in the log`).catch((error: Error) => {
    throw new Error(`${error.message}; there is ${JSON.stringify(served.log())}`);
  });
}

/** Reads so many bytes of a response, as text, and not one more than comes in the same pieces. */
export async function readText(exchange: Exchange, length: number): Promise<string> {
  let text = "";
  while (text.length < length) {
    const piece = await exchange.read();
    assert.ok(piece !== null, `the response has ended behind ${JSON.stringify(text)}`);
    text += piece.toString("latin1");
  }
  assert.equal(text.length, length, `too much has come: ${JSON.stringify(text)}`);
  return text;
}

/** Content in pieces. */
export async function* inPieces(...pieces: readonly string[]): AsyncGenerator<string> {
  yield* pieces;
}

/** Content of so many bytes in which each place looks different from those near it. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + (i >> 8);
  return bytes;
}
