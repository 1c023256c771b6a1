/**
 * The learner: evolution strategies, as by Salimans et al., "Evolution Strategies as a Scalable Alternative to Reinforcement
 * Learning" (2017). It tries the policy with noise added and with the same noise taken away, and moves it towards what did better.
 * A return is all that it must know of an episode, so the actors need share nothing, and little goes over the wire.
 */
import type { PlayAll, Task } from "./actors.ts";
import { MOST_STEPS } from "./cartpole.ts";
import { type Policy, POLICY_SIZE } from "./policy.ts";
import { normals, type Seed, seedOf } from "./random.ts";

/** How to learn. The defaults learn well; less of each is faster and less sure. */
export interface LearnerOptions {
  /** Whatever of it is the same, learns the same, whoever plays. */
  readonly seed: Seed;
  /** Noises that are tried in a generation, each added and taken away. */
  readonly pairs?: number;
  /** Episodes that each of them plays. */
  readonly episodes?: number;
  /** Episodes that the policy itself plays, to see how good it is. */
  readonly evaluations?: number;
  /** Policies that go into one request. */
  readonly policiesAtATime?: number;
}

/** What is known of a generation. */
export interface Generation {
  /** From 0 on. */
  readonly number: number;
  /** The mean return of the policy itself. */
  readonly mean: number;
  /** The mean returns that a tenth of the noisy policies did not reach, and that a tenth exceeded. */
  readonly low: number;
  readonly high: number;
  /** The pole stood to the end in every evaluation. */
  readonly solved: boolean;
  /** Played, up to now. */
  readonly episodes: number;
  readonly steps: number;
  /** Since the beginning. */
  readonly seconds: number;
}

const NOISE = 0.2; // its deviation
const RATE = 0.05;

/** Learns until the pole stands to the end, or nobody asks for more. */
export async function* learn(playAll: PlayAll, options: LearnerOptions): AsyncGenerator<Generation> {
  const { seed, pairs = 96, episodes = 12, evaluations = 100, policiesAtATime = 4 } = options;
  const policy: Policy = new Float32Array(POLICY_SIZE);
  const optimizer = new Adam();
  const began = performance.now();
  let episodesPlayed = 0;
  let stepsPlayed = 0;

  for (let number = 0; ; number++) {
    const normal = normals(seedOf(seed, number, 0));
    const noises = Array.from({ length: pairs }, () => Float32Array.from(policy, () => NOISE * normal()));
    const tried = noises.flatMap((noise) => [
      policy.map((parameter, i) => parameter + noise[i]),
      policy.map((parameter, i) => parameter - noise[i]),
    ]);
    // The evaluation comes first, since it takes longest: nobody should wait for it when all else is done.
    const tasks: Task[] = [{ policies: [policy], seed: seedOf(seed, number, 1), episodes: evaluations }];
    for (let i = 0; i < tried.length; i += policiesAtATime)
      tasks.push({ policies: tried.slice(i, i + policiesAtATime), seed: seedOf(seed, number, 2), episodes });
    const [evaluation, ...all] = await playAll(tasks);

    const returns = all.flatMap((some) => meansOf(some, episodes));
    const sorted = [...returns].sort((a, b) => a - b);
    episodesPlayed += tried.length * episodes + evaluations;
    stepsPlayed += sum(returns) * episodes + sum(evaluation);
    const solved = evaluation.every((steps) => steps === MOST_STEPS);
    yield {
      number,
      mean: sum(evaluation) / evaluations,
      low: sorted[Math.floor(sorted.length * 0.1)],
      high: sorted[Math.ceil(sorted.length * 0.9) - 1],
      solved,
      episodes: episodesPlayed,
      steps: stepsPlayed,
      seconds: (performance.now() - began) / 1000,
    };
    if (solved) return;

    // Only the order of the returns counts: one lucky policy must not outweigh all others.
    const ranks = returns.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 / sorted.length);
    const gradient = new Float64Array(POLICY_SIZE);
    noises.forEach((noise, pair) => {
      const better = ranks[2 * pair] - ranks[2 * pair + 1];
      for (let i = 0; i < POLICY_SIZE; i++) gradient[i] += (better * noise[i]) / NOISE / pairs;
    });
    optimizer.climb(policy, gradient);
  }
}

/** Steps whose size depends little on that of the gradient. Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015). */
class Adam {
  readonly #mean = new Float64Array(POLICY_SIZE);
  readonly #square = new Float64Array(POLICY_SIZE);
  #steps = 0;

  climb(policy: Policy, gradient: Float64Array): void {
    this.#steps++;
    for (let i = 0; i < POLICY_SIZE; i++) {
      this.#mean[i] += (gradient[i] - this.#mean[i]) * 0.1;
      this.#square[i] += (gradient[i] ** 2 - this.#square[i]) * 0.01;
      const mean = this.#mean[i] / (1 - 0.9 ** this.#steps);
      const square = this.#square[i] / (1 - 0.99 ** this.#steps);
      policy[i] += (RATE * mean) / (Math.sqrt(square) + 1e-8);
    }
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

/** The mean of each so many numbers. */
function meansOf(numbers: Float32Array, each: number): number[] {
  const means: number[] = [];
  for (let i = 0; i < numbers.length; i += each) means.push(sum(numbers.subarray(i, i + each)) / each);
  return means;
}
