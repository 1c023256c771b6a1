/** The learner's side of the wire: sends episodes to play to actors, wherever they are, and gathers the returns. */
import { type Policy, POLICY_SIZE } from "./policy.ts";
import type { Seed } from "./random.ts";

/** Episodes to play. Each policy plays as many, from the same starts. */
export interface Task {
  readonly policies: readonly Policy[];
  readonly seed: Seed;
  readonly episodes: number;
}

/** Plays tasks. @returns for each the return of every episode, policy by policy */
export type PlayAll = (tasks: readonly Task[]) => Promise<Float32Array[]>;

/** Where others can take its place, an actor that takes longer is given up: it may be a machine that has lost its power. */
const LONGEST_TASK = 30_000; // ms

/** An actor does not respond, or not as it should. Another can take its place. */
class LostActor extends Error {}

export class Actors {
  readonly #origins: Set<string>;
  readonly #atATime: number;
  readonly #signal: AbortSignal;
  readonly #longest: number;
  /** What gives up the tasks that are being played. */
  readonly #playing = new Set<AbortController>();

  /**
   * @param origins such as http://127.0.0.1:8000
   * @param atATime requests that each actor is given at a time: one more than it has threads, so that none waits for the learner
   * @param signal aborted, all that is being played is given up
   * @param longest how long a task may take where there are other actors, in milliseconds
   */
  constructor(origins: readonly string[], atATime: number, signal: AbortSignal, longest: number = LONGEST_TASK) {
    this.#origins = new Set(origins);
    this.#atATime = atATime;
    this.#signal = signal;
    this.#longest = longest;
    signal.addEventListener("abort", () => {
      for (const controller of this.#playing) controller.abort(signal.reason);
    });
  }

  /** Those that have not been lost. */
  get origins(): string[] {
    return [...this.#origins];
  }

  /**
   * Whoever is free takes the next task, and what a lost actor leaves, the others take: the result is the same.
   * @returns rejects when there is no actor left, for a task that is refused, and when the signal aborts
   */
  readonly playAll: PlayAll = async (tasks) => {
    const results: Float32Array[] = Array.from(tasks, () => new Float32Array());
    const waiting = [...tasks.keys()].reverse();
    let lost: unknown;
    const work = async (origin: string): Promise<void> => {
      while (this.#origins.has(origin) && waiting.length > 0) {
        const i = waiting.pop()!;
        try {
          results[i] = await this.#play(origin, tasks[i]);
        } catch (error) {
          if (!(error instanceof LostActor)) throw error;
          waiting.push(i);
          this.#origins.delete(origin);
          lost = error;
        }
      }
    };
    while (waiting.length > 0) {
      if (this.#origins.size === 0) throw new Error("there is no actor left", { cause: lost });
      await Promise.all(this.origins.flatMap((origin) => Array.from({ length: this.#atATime }, () => work(origin))));
    }
    return results;
  };

  async #play(origin: string, { policies, seed, episodes }: Task): Promise<Float32Array> {
    const body = new Float32Array(policies.length * POLICY_SIZE);
    policies.forEach((policy, i) => body.set(policy, i * POLICY_SIZE));
    let response: Response;
    let content: ArrayBuffer;
    this.#signal.throwIfAborted();
    // Not AbortSignal.any with AbortSignal.timeout: on Node 20 a garbage collection may keep that from its end.
    const controller = new AbortController();
    const { signal } = controller;
    const timer = this.#origins.size > 1 ? setTimeout(() => controller.abort(), this.#longest) : undefined;
    this.#playing.add(controller);
    try {
      response = await fetch(`${origin}/?seed=${seed}&episodes=${episodes}`, { method: "ROLLOUT", body, signal });
      content = await response.arrayBuffer();
    } catch (error) {
      this.#signal.throwIfAborted();
      throw new LostActor(`${origin} does not respond`, { cause: error });
    } finally {
      clearTimeout(timer);
      this.#playing.delete(controller);
    }
    if (!response.ok) {
      const message = `${origin} says ${response.status}: ${Buffer.from(content).toString().trim()}`;
      throw response.status < 500 ? new Error(message) : new LostActor(message);
    }
    if (content.byteLength !== policies.length * episodes * Float32Array.BYTES_PER_ELEMENT)
      throw new LostActor(`${origin} says ${content.byteLength} bytes: it is no actor, or of another version`);
    return new Float32Array(content);
  }
}
