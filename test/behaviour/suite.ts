/**
 * The behaviour suite: what the library promises, asked for through a client, and the same in every mode. A mode has a test file of
 * its own that says:
 *
 *     describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run)));
 */
import { responses } from "./cases/responses.ts";
import { around } from "./cases/around.ts";
import { dispatch } from "./cases/dispatch.ts";
import { errors } from "./cases/errors.ts";
import { leaving } from "./cases/leaving.ts";
import { limits } from "./cases/limits.ts";
import { logging } from "./cases/logging.ts";
import { outcomesOf } from "./cases/outcomes.ts";
import { reading } from "./cases/reading.ts";
import { request } from "./cases/request.ts";
import { routing } from "./cases/routing.ts";
import { shortcuts } from "./cases/shortcuts.ts";
import { shutdown } from "./cases/shutdown.ts";
import { streaming } from "./cases/streaming.ts";
import { timeouts } from "./cases/timeouts.ts";
import type { Mode } from "./mode.ts";
import type { Register } from "./tools.ts";

/** @param testEarly registers a case whose handler runs before its content is there */
type Topic = (mode: Mode, test: Register, testEarly: Register) => void;

/** Requests and their responses. */
export const responding: Record<string, Topic> = {
  dispatch,
  request,
  reading,
  responses,
  shortcuts,
  errors,
  around,
  streaming,
};

/** How requests, clients and servers end. */
export const ending: Record<string, Topic> = {
  leaving,
  timeouts,
  shutdown,
  logging,
  routing,
  limits,
  outcomes: outcomesOf,
};

/**
 * Registers every case for a mode.
 * @param topics what they are about; in threads, where a case takes longer, each half has a file of its own
 * @param onlyEarly of those, the cases alone whose handler runs before its content is there
 */
export function behaviour(mode: Mode, test: Register, topics = { ...responding, ...ending }, onlyEarly = false): void {
  const none: Register = () => {};
  for (const [topic, register] of Object.entries(topics)) {
    const testOfTopic: Register = (name, run) => test(`${topic}: ${name}`, run);
    register(mode, onlyEarly ? none : testOfTopic, mode.has.earlyHandlers ? testOfTopic : none);
  }
}
