/**
 * The actor: plays episodes for whoever asks, with the policies that are sent.
 *
 *   ROLLOUT /?seed=7&episodes=16 HTTP/1.1        the policies are the content, one behind the other, as 32-bit floats
 *
 * The response is the return of each episode (the steps that the pole stood), policy by policy, as 32-bit floats too. Nothing is
 * kept between requests, and the same request has the same response: any actor can play it, and play it again.
 */
import { BaseHTTPRequestHandler, HTTPError } from "plinth";
import { CartPole } from "./cartpole.ts";
import { play, type Policy, POLICY_SIZE } from "./policy.ts";
import { uniforms } from "./random.ts";

/** Some seconds of computing. */
const MOST_EPISODES = 10_000;

export class RolloutHandler extends BaseHTTPRequestHandler {
  /** What a thread imports: this file, and not the program with the learner in it. */
  static module = import.meta.url;

  do_ROLLOUT(): void {
    const seed = this.number("seed", 0, 2 ** 32 - 1);
    const episodes = this.number("episodes", 1, MOST_EPISODES);
    const policies = readPolicies(this.rfile.readSync());
    if (policies.length * episodes > MOST_EPISODES)
      throw new HTTPError(422, { detail: `At most ${MOST_EPISODES} episodes, policies times episodes, are played.` });

    const returns = new Float32Array(policies.length * episodes);
    let played = 0;
    for (const policy of policies) {
      const random = uniforms(seed); // the same starts for each, so that they can be compared
      for (let episode = 0; episode < episodes; episode++) {
        if (this.clientGone) return this.logMessage("left after %d of %d episodes", played, returns.length);
        const cart = new CartPole();
        cart.start(random);
        returns[played++] = play(policy, cart);
      }
    }

    this.sendResponse(200);
    this.sendHeader("Content-Type", "application/octet-stream");
    this.endHeaders();
    this.wfile.write(new Uint8Array(returns.buffer));
  }

  /** A whole number from the query. */
  number(name: string, least: number, most: number): number {
    const number = Number(this.query.get(name) || NaN);
    if (Number.isInteger(number) && number >= least && number <= most) return number;
    throw new HTTPError(422, { detail: `${name} must be a whole number from ${least} to ${most}.` });
  }

  /** Requests come by the hundred: only what goes wrong is worth a line. */
  override logRequest(): void {}
}

function readPolicies(content: Uint8Array): Policy[] {
  const size = POLICY_SIZE * Float32Array.BYTES_PER_ELEMENT;
  if (content.length === 0 || content.length % size !== 0)
    throw new HTTPError(400, {
      detail: `The content must be policies, ${POLICY_SIZE} 32-bit floats or ${size} bytes each; it has ${content.length} bytes.`,
    });
  // Copied: a Float32Array begins at a multiple of 4, and what was read may begin anywhere.
  const numbers = new Float32Array(new Uint8Array(content).buffer);
  const wrong = numbers.findIndex((number) => !Number.isFinite(number));
  if (wrong >= 0) throw new HTTPError(422, { detail: `Parameter ${wrong} of the content is ${numbers[wrong]}.` });
  const count = numbers.length / POLICY_SIZE;
  return Array.from({ length: count }, (_, i) => numbers.subarray(i * POLICY_SIZE, (i + 1) * POLICY_SIZE));
}
