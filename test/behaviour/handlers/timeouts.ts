/** Handlers to which a time is given, by themselves or by the server. */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { BaseHTTPRequestHandler, PeerGoneError } from "plinth";
import { collectGarbage } from "../../support/garbage.ts";
import { type Act, act, begin, thrownBy } from "./common.ts";

/** What a signal has aborted with: "TimeoutError", "PeerGoneError closed". */
function show(reason: unknown): string {
  if (reason instanceof PeerGoneError) return `${reason.name} ${reason.reason}`;
  return reason instanceof DOMException ? reason.name : String(reason);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

const acts: Record<string, Act> = {
  /** Waits for the shorter one of two times. */
  "/two": async (handler) => {
    const began = performance.now();
    const [short, long] = [handler.timeout(30), handler.timeout(60_000)];
    const before = short.aborted || long.aborted;
    await aborted(short);
    const waited = performance.now() - began;
    handler.sendJson({
      before,
      isInTime: waited > 25 && waited < 5000,
      reason: show(short.reason),
      isKnown: short.reason instanceof DOMException,
      others: [long.aborted, handler.signal.aborted, short === handler.timeout(30)],
      instance: short instanceof AbortSignal,
    });
  },
  /** Gives up what it waits for. */
  "/sleep": async (handler) => {
    try {
      await sleep(60_000, null, { signal: handler.timeout(20) });
    } catch (error) {
      handler.sendText(`${(error as Error).name}, ${show((error as Error).cause)}`);
    }
  },
  /** Lets pass what its time makes fail. */
  "/throws": (handler) => sleep(60_000, undefined, { signal: handler.timeout(20) }),
  "/wrong": (handler) =>
    handler.sendJson([NaN, -1, "5", undefined, null].map((ms) => thrownBy(() => handler.timeout(ms as number)))),
  "/none": (handler) => handler.sendJson([Infinity, 2 ** 40].map((ms) => handler.timeout(ms).aborted)),
  /** Waits for many times, each in another way, while garbage is collected. Says how many have been waited for to their end. */
  "/collected": async (handler) => {
    let fired = 0;
    const waits: Promise<unknown>[] = [];
    for (let i = 0; i < 50; i++) {
      waits.push(sleep(60_000, null, { signal: handler.timeout(200) }).catch(() => fired++));
      waits.push(new Promise((resolve) => handler.timeout(200).addEventListener("abort", resolve)).then(() => fired++));
    }
    for (let i = 0; i < 3; i++) {
      await sleep(10);
      collectGarbage();
    }
    await Promise.race([Promise.all(waits), sleep(5000)]);
    handler.sendText(String(fired));
  },
  "/leaves": async (handler) => {
    const signals = [handler.timeout(60_000), handler.timeout(Infinity), handler.signal];
    handler.logMessage("begun");
    await aborted(signals[0]);
    signals.push(handler.timeout(60_000));
    handler.logMessage("left: %s", signals.map(({ reason }) => show(reason)).join());
    handler.logMessage("one reason: %s", String(new Set(signals.map(({ reason }) => reason as unknown)).size === 1));
  },
  /** Says for how many listeners of one signal the runtime warns. */
  "/listeners": async (handler) => {
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): void => void warnings.push(name);
    process.on("warning", onWarning);
    for (let i = 0; i < 100; i++) {
      for (const signal of [handler.signal, handler.timeout(60_000)]) {
        for (let j = 0; j < 20; j++) signal.addEventListener("abort", () => {});
      }
    }
    await sleep(20);
    process.off("warning", onWarning);
    handler.sendJson(warnings);
  },

  // What a server with a handlerTimeout gives up
  "/never": () => new Promise(() => {}),
  "/prepared": async (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("X-Prepared", "1");
    await new Promise(() => {});
  },
  "/streams": async (handler) => {
    begin(handler);
    await handler.wfile.write("the beginning");
    handler.wfile.flush();
    await new Promise(() => {});
  },
  "/quick": (handler) => handler.sendText("quick"),
};

export class Timeouts extends BaseHTTPRequestHandler {
  do_GET(): void | Promise<void> {
    return act(this, acts);
  }

  do_POST(): void | Promise<void> {
    return act(this, acts);
  }
}
