// The computation that all servers do on request, and what else they must have in common. Made only of what every runtime has.

/**
 * Content of the large response. On one machine the kernel takes up to 4 MiB of what is written and nobody reads; of less than that a
 * server would see nothing of a slow reader.
 */
export const LARGE = 8 * 1024 * 1024;

/** So much of the loop below is one unit. */
const UNIT = 100_000;

/** Units that take a core for a second: measured once a run, by calibrate.mjs, and handed to every server. */
const unitsASecond = Number(globalThis.process?.env.BENCH_UNITS ?? 0);

/** Computes without a pause for so many milliseconds of a core's time; longer on a clock, where the core is shared. */
export function compute(milliseconds) {
  return spin(Math.round((unitsASecond * milliseconds) / 1000));
}

export function spin(units) {
  let x = 1;
  for (let unit = 0; unit < units; unit++) {
    for (let i = 0; i < UNIT; i++) x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
  }
  return x;
}

/** What a server tells when it listens; and it ends when whoever started it has. */
export function listensOn(port) {
  console.log(`listens ${port}`);
  process.stdin.on("end", () => process.exit());
  process.stdin.resume();
}
