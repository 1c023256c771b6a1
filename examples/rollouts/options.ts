/** The command line of main.ts. */
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";

const USAGE = `usage: npm run rollouts -- [OPTION…]

Learns to balance a pole on a cart: a learner asks the actors, over HTTP, to play, and plots the return over time.
  --threads N       threads that play, here or at each actor (as many as there are cores)
  --seed N          the same seed learns the same, however many threads there are (1)
  --port N          port of the server that plays, 0 for a free one (0)
  --actor URL       play there instead of here; may be said for several
  --out FILE        where the plot goes (rollouts.svg)
  --seconds N       stop after so long (60)
  --generations N   stop after so many (no limit)
  --help            this text
`;

/** What to do, all of it checked. */
export interface Options {
  readonly threads: number;
  readonly seed: number;
  readonly port: number;
  /** Origins, such as http://127.0.0.1:8000; none: play here. */
  readonly actors: readonly string[];
  readonly out: string;
  readonly seconds: number;
  readonly generations: number;
}

/** One clear line, and the exit status for "not as you asked". */
export function fail(message: string): never {
  process.stderr.write(`rollouts: ${message}\n`);
  process.exit(2);
}

export function readOptions(args: readonly string[] = process.argv.slice(2)): Options {
  const text = { type: "string" } as const;
  const options = {
    threads: text,
    seed: text,
    port: text,
    actor: { type: "string", multiple: true },
    out: text,
    seconds: text,
    generations: text,
    help: { type: "boolean" },
  } as const;
  const { values } = parse(() => parseArgs({ args: [...args], options }));
  if (values.help === true) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const whole = (
    name: "threads" | "seed" | "port" | "seconds" | "generations",
    least: number,
    most: number,
  ): number => {
    const number = Number(values[name] || NaN);
    if (Number.isInteger(number) && number >= least && number <= most) return number;
    fail(`--${name} takes a whole number from ${least} to ${most}, not "${values[name]}"`);
  };
  return {
    threads: values.threads === undefined ? availableParallelism() : whole("threads", 1, 192),
    seed: values.seed === undefined ? 1 : whole("seed", 0, 2 ** 32 - 1),
    port: values.port === undefined ? 0 : whole("port", 0, 65535),
    actors: (values.actor ?? []).map(originOf),
    out: values.out ?? "rollouts.svg",
    seconds: values.seconds === undefined ? 60 : whole("seconds", 1, 86_400),
    generations: values.generations === undefined ? Infinity : whole("generations", 1, 1_000_000),
  };
}

function parse<Parsed>(read: () => Parsed): Parsed {
  try {
    return read();
  } catch (error) {
    fail(`${(error as Error).message.split(/\.? To specify|\n/)[0]} (--help lists the options)`);
  }
}

function originOf(url: string): string {
  const origin = URL.canParse(url) ? new URL(url).origin : "null";
  if (!origin.startsWith("http")) fail(`--actor takes an address such as http://192.168.1.42:8000, not "${url}"`);
  return origin;
}
