/** Random numbers that can be had again: the same seed gives the same numbers, on every thread and every machine. */

/** Any seed; it is used as an unsigned number of 32 bits. */
export type Seed = number;

/** An endless row of numbers from 0 to 1, 1 left out. The steps of splitmix (Steele et al. 2014), in 32 bits. */
export function uniforms(seed: Seed): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    return scramble(state) / 2 ** 32;
  };
}

/** An endless row of numbers from the normal distribution, mean 0 and deviation 1, by the transformation of Box and Muller. */
export function normals(seed: Seed): () => number {
  const uniform = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** A seed made of several numbers, so that each purpose has a row of its own. */
export function seedOf(...numbers: readonly number[]): Seed {
  return numbers.reduce((seed, number) => scramble((scramble(seed) + number) >>> 0), 0x5eed);
}

/** Spreads every bit of a number over all 32 (the last steps of MurmurHash3). */
function scramble(number: number): number {
  let bits = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
