/**
 * The task: a pole stands on a cart, hinged, and falls unless the cart is pushed to the left or the right in time. As by Barto,
 * Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems", IEEE Transactions on
 * Systems, Man, and Cybernetics 13 (1983), without their friction, and from a start and to an end that have become usual since.
 */

const GRAVITY = 9.8; // m/s²
const CART_MASS = 1; // kg
const POLE_MASS = 0.1; // kg
const HALF_LENGTH = 0.5; // m, of the pole
const FORCE = 10; // N
const MOST_POSITION = 2.4; // m, to either end of the track
const MOST_ANGLE = (12 * Math.PI) / 180; // rad
const MOST_START = 0.05; // of each of the four numbers

/** Seconds for which a push lasts. */
export const STEP = 0.02;
/** The steps of an episode in which the pole never falls. */
export const MOST_STEPS = 500;
/** Parts of a step that the motion is computed in. The paper takes a step at once; shorter ones are nearer to a real cart. */
const PARTS = 20;

const MASS = CART_MASS + POLE_MASS;

/** A cart with its pole. It stands still at first, and the pole stands upright. */
export class CartPole {
  /** Where the cart is, in m; 0 is the middle of the track. */
  position = 0;
  /** In m/s. */
  velocity = 0;
  /** Of the pole, in rad; 0 is upright, more is to the right. */
  angle = 0;
  /** In rad/s. */
  spin = 0;

  /** Puts it somewhere near the middle. @param random gives numbers from 0 to 1 */
  start(random: () => number): void {
    const some = (): number => (2 * random() - 1) * MOST_START;
    this.position = some();
    this.velocity = some();
    this.angle = some();
    this.spin = some();
  }

  /** Whether the pole has fallen, or the cart has left its track. */
  get failed(): boolean {
    return Math.abs(this.position) > MOST_POSITION || Math.abs(this.angle) > MOST_ANGLE;
  }

  /** Pushes for one step. */
  push(toTheRight: boolean): void {
    const force = toTheRight ? FORCE : -FORCE;
    for (let part = 0; part < PARTS; part++) this.move(force, STEP / PARTS);
  }

  /**
   * Moves as the equations of motion say, which are those of a cart and a thin rod.
   * @param force on the cart, in N
   * @param seconds so few that the force and the accelerations hardly change
   */
  move(force: number, seconds: number): void {
    const sin = Math.sin(this.angle);
    const cos = Math.cos(this.angle);
    const push = (force + POLE_MASS * HALF_LENGTH * this.spin * this.spin * sin) / MASS;
    const turn = (GRAVITY * sin - push * cos) / (HALF_LENGTH * (4 / 3 - (POLE_MASS * cos * cos) / MASS)); // rad/s²
    this.velocity += (push - (POLE_MASS * HALF_LENGTH * turn * cos) / MASS) * seconds;
    this.spin += turn * seconds;
    this.position += this.velocity * seconds;
    this.angle += this.spin * seconds;
  }
}
