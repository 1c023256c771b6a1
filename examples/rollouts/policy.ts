/** What decides which way to push: a small neural network, four numbers in, one layer of hidden units, one number out. */
import { type CartPole, MOST_STEPS } from "./cartpole.ts";

const HIDDEN = 16;
/** Of each hidden unit: its four weights, its bias, and the weight of what it says. */
const OF_EACH = 6;

/** How many numbers a policy is. */
export const POLICY_SIZE = HIDDEN * OF_EACH + 1;

/** The parameters of a policy, POLICY_SIZE of them. */
export type Policy = Float32Array;

/** Whether to push the cart to the right. */
export function decide(policy: Policy, cart: CartPole): boolean {
  let sum = policy[POLICY_SIZE - 1];
  for (let i = 0; i < POLICY_SIZE - 1; i += OF_EACH) {
    const input =
      policy[i] * cart.position +
      policy[i + 1] * cart.velocity +
      policy[i + 2] * cart.angle +
      policy[i + 3] * cart.spin +
      policy[i + 4];
    sum += policy[i + 5] * Math.tanh(input);
  }
  return sum > 0;
}

/** Plays an episode. @returns the steps until the pole fell, at most MOST_STEPS */
export function play(policy: Policy, cart: CartPole): number {
  for (let steps = 1; steps <= MOST_STEPS; steps++) {
    cart.push(decide(policy, cart));
    if (cart.failed) return steps;
  }
  return MOST_STEPS;
}
