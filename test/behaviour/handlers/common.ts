/** What the suite's handlers share. */
import type { BaseHTTPRequestHandler } from "plinth";
import { HTTPError } from "plinth";

/** What a handler does for a path. */
export type Act = (handler: BaseHTTPRequestHandler) => void | Promise<void>;

/** Runs what stands in the table for the path of the request, its query apart. */
export function act(handler: BaseHTTPRequestHandler, acts: Readonly<Record<string, Act>>): void | Promise<void> {
  const [path] = handler.path.split("?");
  if (!Object.hasOwn(acts, path)) throw new HTTPError(404, undefined, { detail: `The suite has nothing at ${path}.` });
  return acts[path](handler);
}

/** What a call throws: the error's name; "nothing" where it does not throw. */
export function thrownBy(call: () => unknown): string {
  try {
    call();
    return "nothing";
  } catch (error) {
    return (error as Error).name;
  }
}

/** What a promise rejects with, or the call that should give it throws: the error's name; "nothing" where all goes well. */
export async function failureOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return "nothing";
  } catch (error) {
    return (error as Error).name;
  }
}

/** Resolves in another turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Begins a response whose content follows. */
export function begin(handler: BaseHTTPRequestHandler, status = 200): void {
  handler.sendResponse(status);
  handler.endHeaders();
}
