/** What each of the servers here responds, so that they differ in nothing but the server. */
import { writeSync } from "node:fs";

/** How long the handler of /busy computes, in milliseconds. */
export const BUSY_TIME = 1000;

/** The content of a response: the sum of what came with a GET, the method of other requests; late, for /busy. */
export async function respond(method: string, path: string, json: () => unknown): Promise<string> {
  if (path === "/busy") compute();
  if (method !== "GET" || path !== "/") return method;
  const { val_a, val_b } = (await json()) as { val_a: number; val_b: number };
  return JSON.stringify({ sum: val_a + val_b });
}

/** Computes, and says on stderr that it has begun. */
function compute(): void {
  writeSync(2, "computes\n");
  const end = performance.now() + BUSY_TIME;
  while (performance.now() < end);
}
