/** examples/rollouts: the physics, the actors and what they refuse, the learner, its plot, and the whole program. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import * as fc from "fast-check";
import { BaseHTTPRequestHandler, HTTPServer, type InjectedResponse, ThreadingHTTPServer } from "plinth";
import { Actors, type PlayAll } from "../../examples/rollouts/actors.ts";
import { CartPole, MOST_STEPS } from "../../examples/rollouts/cartpole.ts";
import { RolloutHandler } from "../../examples/rollouts/handler.ts";
import { type Generation, learn, type LearnerOptions } from "../../examples/rollouts/learner.ts";
import { plot } from "../../examples/rollouts/plot.ts";
import { play, type Policy, POLICY_SIZE } from "../../examples/rollouts/policy.ts";
import { normals, seedOf, uniforms } from "../../examples/rollouts/random.ts";
import { chart, Progress } from "../../examples/rollouts/terminal.ts";
import { Gate, until } from "../server/support.ts";
import { collectGarbage } from "../support/garbage.ts";
import { programFile } from "../support/places.ts";
import { runtime, testOn } from "../support/runtime.ts";
import { sendSignal } from "../support/system.ts";
import { runs, thorough, thoroughly } from "../support/thorough.ts";
import { startProgram } from "./programs.ts";

// ---------------------------------------------------------------------------------------------------------- physics

type Place = [position: number, velocity: number, angle: number, spin: number];

function cartAt([position, velocity, angle, spin]: Place): CartPole {
  return Object.assign(new CartPole(), { position, velocity, angle, spin });
}

/** Evenly, unlike fc.double, most of whose numbers are next to 0. */
const between = (least: number, most: number): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: 1e6 }).map((n) => least + ((most - least) * n) / 1e6);
const within = (most: number): fc.Arbitrary<number> => between(-most, most);
const places = fc.tuple(within(2.4), within(3), within(Math.PI), within(3));

/** In joules: that of the cart, a mass of 1 kg, and of a thin rod of 0.1 kg and 1 m, hinged to it. */
function energyOf({ velocity, angle, spin }: CartPole): number {
  const motion = (1.1 * velocity ** 2) / 2 + 0.1 * 0.5 * velocity * spin * Math.cos(angle);
  return motion + ((4 / 3) * 0.1 * 0.5 ** 2 * spin ** 2) / 2 + 0.1 * 9.8 * 0.5 * Math.cos(angle);
}

test("what a force does, it does mirrored to the mirrored cart", () => {
  fc.assert(
    fc.property(places, fc.boolean(), (place, toTheRight) => {
      const cart = cartAt(place);
      const mirrored = cartAt(place.map((number) => -number) as Place);
      cart.push(toTheRight);
      mirrored.push(!toTheRight);
      assert.equal(cart.position, -mirrored.position);
      assert.equal(cart.velocity, -mirrored.velocity);
      assert.equal(cart.angle, -mirrored.angle);
      assert.equal(cart.spin, -mirrored.spin);
      assert.equal(cart.failed, mirrored.failed);
    }),
  );
});

test("the energy that a force brings is the force times the way", () => {
  const moment = 1e-6;
  fc.assert(
    fc.property(places, within(10), (place, force) => {
      const cart = cartAt(place);
      const before = energyOf(cart);
      cart.move(force, moment);
      const power = (energyOf(cart) - before) / moment;
      assert.ok(Math.abs(power - force * place[1]) < 1e-3, `${power} W instead of ${force * place[1]} W`);
    }),
  );
});

test("left alone, a pole stands where it stands upright, and falls to where it leans", () => {
  const upright = new CartPole();
  for (let i = 0; i < 1000; i++) upright.move(0, 0.02);
  assert.deepEqual({ ...upright }, { position: 0, velocity: 0, angle: 0, spin: 0 });
  fc.assert(
    fc.property(between(0.001, 0.2), (angle) => {
      const cart = cartAt([0, 0, angle, 0]);
      let steps = 0;
      for (; !cart.failed && steps < 1000; steps++) cart.move(0, 0.01);
      assert.ok(cart.angle > 0.2 && steps < 1000, `after ${steps} steps at ${cart.angle}`);
      assert.ok(cart.position < 0, "the cart goes the other way");
    }),
  );
});

test("the pole has fallen at 12 degrees, and the track ends at 2.4 m", () => {
  for (const side of [-1, 1]) {
    const degree = (side * Math.PI) / 180;
    assert.equal(cartAt([0, 9, 11.9 * degree, 9]).failed, false);
    assert.equal(cartAt([0, 0, 12.1 * degree, 0]).failed, true);
    assert.equal(cartAt([2.39 * side, 9, 0, 9]).failed, false);
    assert.equal(cartAt([2.41 * side, 0, 0, 0]).failed, true);
  }
});

test("a start is near the middle, and an episode has from 1 to 500 steps", () => {
  fc.assert(
    fc.property(fc.nat(), fc.float32Array({ minLength: POLICY_SIZE, maxLength: POLICY_SIZE }), (seed, policy) => {
      const cart = new CartPole();
      cart.start(uniforms(seed));
      for (const number of Object.values(cart)) assert.ok(number !== 0 && Math.abs(number as number) <= 0.05);
      const steps = play(policy, cart);
      assert.ok(Number.isInteger(steps) && steps >= 1 && steps <= MOST_STEPS);
      assert.ok(cart.failed || steps === MOST_STEPS);
    }),
  );
});

/** A policy that balances, made by hand: one hidden unit that leans to where the pole falls; the others say nothing. */
const GOOD = new Float32Array(POLICY_SIZE);
GOOD.set([0.1, 0.2, 3, 0.6, 0, 1]);
/** One that always pushes to the left. */
const BAD = new Float32Array(POLICY_SIZE);

test("a policy that leans with the pole balances it, one that does not look lets it fall", () => {
  const random = uniforms(1);
  for (let i = 0; i < 20; i++) {
    const cart = new CartPole();
    cart.start(random);
    assert.equal(play(GOOD, cart), MOST_STEPS);
    cart.start(random);
    assert.ok(play(BAD, cart) < 15);
  }
});

// ----------------------------------------------------------------------------------------------------------- random

test("random numbers come from their seed, spread evenly, or as the bell curve has them", () => {
  const take = (row: () => number, count: number): number[] => Array.from({ length: count }, row);
  assert.deepEqual(take(uniforms(7), 5), take(uniforms(7), 5));
  assert.notDeepEqual(take(uniforms(7), 5), take(uniforms(8), 5));
  const mean = (numbers: number[]): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const even = take(uniforms(1), 100_000);
  assert.ok(even.every((number) => number >= 0 && number < 1));
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = mean(even.map((number) => (Math.floor(number * 10) === tenth ? 1 : 0)));
    assert.ok(Math.abs(share - 0.1) < 0.005, `${share} of the numbers begin with 0.${tenth}`);
  }
  const bell = take(normals(1), 100_000);
  assert.ok(Math.abs(mean(bell)) < 0.02);
  assert.ok(Math.abs(mean(bell.map((number) => number ** 2)) - 1) < 0.03);
  assert.ok(Math.abs(mean(bell.map((number) => (Math.abs(number) < 1 ? 1 : 0))) - 0.6827) < 0.01);
});

test("seeds made of different numbers differ", () => {
  const seeds = new Set<number>();
  for (let a = 0; a < 30; a++) for (let b = 0; b < 30; b++) for (let c = 0; c < 3; c++) seeds.add(seedOf(a, b, c));
  assert.equal(seeds.size, 2700);
  for (const seed of seeds) assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
});

// ------------------------------------------------------------------------------------------------------- the actors

interface Serving {
  readonly httpd: ThreadingHTTPServer;
  readonly origin: string;
  readonly log: string[];
}

async function serve(t: TestContext, threads: number): Promise<Serving> {
  const log: string[] = [];
  const options = { threads, log: (line: string) => log.push(line) };
  const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], RolloutHandler, options);
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  return { httpd, origin: `http://${httpd.serverAddress.join(":")}`, log };
}

function bytesOf(...policies: Policy[]): Uint8Array {
  return Buffer.concat(
    policies.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
}

function rollout(httpd: HTTPServer, query: string, body: Uint8Array): Promise<InjectedResponse> {
  return httpd.inject({ method: "ROLLOUT", path: `/?${query}`, body });
}

test("the response is the return of every episode, policy by policy, and the same again", async (t) => {
  const { httpd, log } = await serve(t, 1);
  const response = await rollout(httpd, "seed=7&episodes=5", bytesOf(GOOD, BAD, GOOD));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("Content-Type"), "application/octet-stream");
  assert.equal(response.headers.get("Content-Length"), "60");
  const returns = [...new Float32Array(new Uint8Array(response.body).buffer)];
  assert.deepEqual(returns.slice(0, 5), [500, 500, 500, 500, 500]);
  assert.deepEqual(returns.slice(10), returns.slice(0, 5));
  const random = uniforms(7);
  const expected = Array.from({ length: 5 }, () => {
    const cart = new CartPole();
    cart.start(random);
    return play(BAD, cart);
  });
  assert.deepEqual(returns.slice(5, 10), expected);
  assert.ok(new Set(expected).size > 1, "the starts differ");
  const again = await rollout(httpd, "seed=7&episodes=5", bytesOf(GOOD, BAD, GOOD));
  assert.deepEqual(again.body, response.body);
  assert.deepEqual(log, [], "what goes well is not logged");
});

test("what cannot be played is refused, and why is said", async (t) => {
  const { httpd, log } = await serve(t, 1);
  const nan = BAD.slice();
  nan[3] = NaN;
  const infinite = BAD.slice();
  infinite[POLICY_SIZE - 1] = -Infinity;
  const cases: [query: string, body: Uint8Array, status: number, detail: RegExp][] = [
    ["seed=1&episodes=1", new Uint8Array(0), 400, /97 32-bit floats or 388 bytes each; it has 0 bytes/],
    ["seed=1&episodes=1", new Uint8Array(387), 400, /it has 387 bytes/],
    ["seed=1&episodes=1", new Uint8Array(388 + 4), 400, /it has 392 bytes/],
    ["seed=1&episodes=1", bytesOf(nan), 422, /Parameter 3 of the content is NaN/],
    ["seed=1&episodes=1", bytesOf(BAD, infinite), 422, /Parameter 193 of the content is -Infinity/],
    ["episodes=1", bytesOf(BAD), 422, /seed must be a whole number from 0 to 4294967295/],
    ["seed=&episodes=1", bytesOf(BAD), 422, /seed must be/],
    ["seed=-1&episodes=1", bytesOf(BAD), 422, /seed must be/],
    ["seed=4294967296&episodes=1", bytesOf(BAD), 422, /seed must be/],
    ["seed=1", bytesOf(BAD), 422, /episodes must be a whole number from 1 to 10000/],
    ["seed=1&episodes=0", bytesOf(BAD), 422, /episodes must be/],
    ["seed=1&episodes=1.5", bytesOf(BAD), 422, /episodes must be/],
    ["seed=1&episodes=NaN", bytesOf(BAD), 422, /episodes must be/],
    ["seed=1&episodes=5001", bytesOf(BAD, BAD), 422, /At most 10000 episodes/],
  ];
  for (const [query, body, status, detail] of cases) {
    const response = await rollout(httpd, query, body);
    assert.equal(response.status, status, `${query}, ${body.length} bytes`);
    assert.match(response.json().detail, detail);
  }
  assert.equal(log.length, cases.length, "each is logged");
  assert.equal((await httpd.inject({ method: "POST" })).status, 405);
});

// Bun's fetch sends no content with a method that it does not know, such as ROLLOUT.
const testRollout = testOn("node", "deno");

testRollout(
  "while threads play, the server responds; and when their learners leave, they play no further",
  async (t) => {
    const { httpd, origin, log } = await serve(t, 3);
    const leave = new AbortController();
    const { signal } = leave;
    const content = new Uint8Array(bytesOf(...Array.from({ length: 10 }, () => GOOD)));
    // Whole, each would be 10,000 episodes of 500 steps: seconds.
    const asked = [1, 2].map((seed) =>
      fetch(`${origin}/?seed=${seed}&episodes=1000`, { method: "ROLLOUT", body: content, signal }),
    );
    await until(() => httpd.stats().busy === 2, "two busy threads");
    assert.equal((await fetch(origin, { method: "OPTIONS" })).status, 204);
    leave.abort();
    for (const one of asked) await assert.rejects(one, { name: "AbortError" });
    await until(() => httpd.stats().busy === 0 && log.length === 2, "idle threads, and what they say");
    const lines = log.map((line) => Number(/ left after (\d+) of 10000 episodes$/.exec(line)?.[1]));
    for (const played of lines) assert.ok(played < 10_000, log.join("\n"));
  },
);

// ------------------------------------------------------------------------------------------------------ the learner

/** Plays without any server. */
const playHere: PlayAll = async (tasks) =>
  tasks.map(({ policies, seed, episodes }) =>
    Float32Array.from(
      policies.flatMap((policy) => {
        const random = uniforms(seed);
        return Array.from({ length: episodes }, () => {
          const cart = new CartPole();
          cart.start(random);
          return play(policy, cart);
        });
      }),
    ),
  );

/** Learns in a second or two. */
const QUICK: LearnerOptions = { seed: 3, pairs: 24, episodes: 4, evaluations: 20 };

/** What must be the same whenever it is learned. */
type Curve = Omit<Generation, "seconds">[];

async function curveOf(playAll: PlayAll, options = QUICK, most = 60): Promise<Curve> {
  const curve: Curve = [];
  for await (const { seconds, ...generation } of learn(playAll, options)) {
    assert.ok(seconds >= 0);
    curve.push(generation);
    if (curve.length === most) break;
  }
  return curve;
}

function actorsAt(origins: readonly string[], atATime = 3): Actors {
  return new Actors(origins, atATime, new AbortController().signal);
}

testRollout(
  "it learns to balance, and the same seed learns the same, whoever plays and however many they are",
  async (t) => {
    const one = await serve(t, 1);
    const two = await serve(t, 2);
    const most = runs(60, 3);
    const here = await curveOf(playHere, QUICK, most);
    const last = here.at(-1)!;
    assert.ok(here[0].mean < 15, "it knew already");
    assert.equal(last.solved, thorough);
    assert.ok(thorough ? last.mean === MOST_STEPS : last.mean > here[0].mean, `${here[0].mean}, then ${last.mean}`);
    for (const { low, high } of here) assert.ok(low >= 1 && low <= high && high <= MOST_STEPS);
    t.diagnostic(`solved after ${here.length} generations, ${last.episodes} episodes`);
    assert.equal(last.episodes, here.length * (48 * 4 + 20));
    assert.deepEqual(
      here.map(({ solved }) => solved),
      here.map((_, i) => thorough && i === here.length - 1),
      "it ends when it is solved",
    );
    assert.deepEqual(await curveOf(actorsAt([one.origin], 1).playAll, QUICK, most), here, "one thread");
    assert.deepEqual(await curveOf(actorsAt([two.origin]).playAll, QUICK, most), here, "two threads");
    assert.deepEqual(await curveOf(actorsAt([one.origin, two.origin]).playAll, QUICK, most), here, "two servers");
    assert.notDeepEqual(await curveOf(playHere, { ...QUICK, seed: 4 }, 3), here.slice(0, 3), "another seed");
  },
);

/** A server that does with each task what the test says. */
async function impostor(
  t: TestContext,
  play: (handler: BaseHTTPRequestHandler) => void | Promise<void>,
): Promise<string> {
  class Impostor extends BaseHTTPRequestHandler {
    do_ROLLOUT(): void | Promise<void> {
      return play(this);
    }
  }
  const httpd = new HTTPServer(["127.0.0.1", 0], Impostor, { log: "none" });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  return `http://${httpd.serverAddress.join(":")}`;
}

/** As a machine that loses its power. */
const die = (handler: BaseHTTPRequestHandler): void => handler.server.serverClose();

thoroughly(testRollout)("what a lost actor leaves, the others play, and the curve is the same", async (t) => {
  const { origin } = await serve(t, 2);
  const expected = await curveOf(playHere, QUICK, 3);
  const responses: Record<string, (handler: BaseHTTPRequestHandler) => void> = {
    "is gone": die,
    "has a fault": (handler) => handler.sendError(500),
    "is something else": (handler) => handler.sendText("hello"),
  };
  for (const [what, response] of Object.entries(responses)) {
    let asked = 0;
    const other = await impostor(t, async (handler) => {
      asked++;
      await handler.bytes();
      response(handler);
    });
    const actors = actorsAt([other, origin]);
    assert.deepEqual(await curveOf(actors.playAll, QUICK, 3), expected, what);
    assert.deepEqual(actors.origins, [origin]);
    assert.ok(asked >= 1 && asked <= 3, `it ${what}, and was asked ${asked} times`);
  }
});

testRollout("what is lost when all else is done is played all the same", async (t) => {
  const held: BaseHTTPRequestHandler[] = [];
  const late = await impostor(t, async (handler) => {
    held.push(handler);
    await once(handler.signal, "abort");
  });
  let responded = 0;
  const good = await impostor(t, (handler) => {
    handler.sendResponse(200);
    handler.endHeaders();
    handler.wfile.write(bytesOf(new Float32Array([7])));
    responded++;
  });
  const tasks = Array.from({ length: 10 }, (_, seed) => ({ policies: [BAD], seed, episodes: 1 }));
  const playing = actorsAt([late, good], 2).playAll(tasks);
  await until(() => held.length === 2 && responded === 8, "all but the two that are held");
  die(held[0]);
  assert.deepEqual(
    (await playing).map((returns) => [...returns]),
    tasks.map(() => [7]),
  );
  assert.equal(responded, 10);
});

thoroughly(testRollout)(
  "an actor that does not respond is given up where another can take its place, and waited for where none can",
  async (t) => {
    const late: BaseHTTPRequestHandler[] = [];
    const response = (handler: BaseHTTPRequestHandler): void => {
      handler.sendResponse(200);
      handler.endHeaders();
      handler.wfile.write(bytesOf(new Float32Array([7])));
    };
    const gate = new Gate();
    const slow = await impostor(t, async (handler) => {
      late.push(handler);
      await gate.opened;
      response(handler);
    });
    const good = await impostor(t, response);
    const tasks = [1, 2].map((seed) => ({ policies: [BAD], seed, episodes: 1 }));
    const stop = new AbortController();
    const both = new Actors([slow, good], 1, stop.signal, 1000);
    setTimeout(collectGarbage, 200);
    assert.equal((await both.playAll(tasks)).length, 2);
    assert.deepEqual(both.origins, [good]);
    assert.equal(late.length, 1);

    const alone = new Actors([slow], 1, stop.signal, 1000);
    const playing = alone.playAll(tasks);
    await until(() => late.length === 2, "the only actor");
    setTimeout(gate.open, 1100); // longer than another would have been given
    assert.equal((await playing).length, 2);
  },
);

testRollout(
  "without an actor, for a task that is refused, and when it is stopped, playing ends with an error that says so",
  async (t) => {
    const tasks = [{ policies: [BAD], seed: 1, episodes: 1 }];
    const nobody = await impostor(t, die);
    await assert.rejects(actorsAt([nobody]).playAll(tasks), (error: Error) => {
      assert.match(error.message, /there is no actor left/);
      assert.match((error.cause as Error).message, /^http:.* does not respond$/);
      return true;
    });
    const { origin } = await serve(t, 1);
    const refused = actorsAt([origin]).playAll([{ policies: [BAD], seed: 1, episodes: 0 }]);
    await assert.rejects(refused, /says 422: .*episodes must be a whole number/);

    const stop = new AbortController();
    const silent = await impostor(t, async ({ signal }) => {
      stop.abort();
      await once(signal, "abort");
    });
    const actors = new Actors([silent], 1, stop.signal);
    await assert.rejects(actors.playAll(tasks), { name: "AbortError" });
    assert.deepEqual(actors.origins, [silent], "it was not the actor's fault");
  },
);

// --------------------------------------------------------------------------------------------- what people look at

function generationOf(number: number, mean: number, seconds: number, solved = false): Generation {
  return {
    number,
    mean,
    low: mean / 2,
    high: Math.min(500, mean * 1.5),
    solved,
    episodes: 100 * number,
    steps: 1,
    seconds,
  };
}

/** The names of the elements in a document, in their order. Fails where it is not well-formed. */
function elementsOf(xml: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  const rest = xml.replace(
    /<(\/?)([a-z]+)((?: [\w-]+="[^"<&]*")*)(\/?)>/gi,
    (_, closes, name: string, _fields, empty) => {
      if (closes === "/") assert.equal(open.pop(), name);
      else names.push(name);
      if (closes === "" && empty === "") open.push(name);
      return "";
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest.replace(/&(amp|lt|gt|quot|#\d+);/g, ""), /[<>&]/);
  return names;
}

test("the plot is an SVG with a point for each generation, at its time and its return", () => {
  fc.assert(
    fc.property(fc.array(between(1, 500), { minLength: 1, maxLength: 40 }), (means) => {
      const svg = plot(
        means.map((mean, i) => generationOf(i, mean, (i + 1) * 0.7)),
        "2 < 3 & 4 > 3",
      );
      const elements = elementsOf(svg);
      assert.equal(elements[0], "svg");
      assert.equal(elements.filter((name) => name === "circle").length, means.length);
      assert.ok(svg.includes("2 &lt; 3 &amp; 4 &gt; 3"));
      const [, points] = /<polyline class="curve" points="([^"]*)"/.exec(svg)!;
      const places = points.split(" ").map((point) => point.split(",").map(Number));
      assert.equal(places.length, means.length);
      const [, ...line] = /<line class="grid" x1="(\d+)" x2="(\d+)" y1="([\d.]+)"/.exec(svg)!.map(Number);
      const [left, right, bottom] = line;
      for (const [i, [x, y]] of places.entries()) {
        assert.ok(Math.abs(x - left - ((right - left) * (i + 1)) / means.length) < 0.1);
        assert.ok(Math.abs((bottom - y) / means[i] - (bottom - places[0][1]) / means[0]) < 0.1);
      }
    }),
  );
});

test("the plot says what its axes are, in which units, and has round numbers along them", () => {
  for (const [end, ticks] of [
    [0.083, "0 0.01 0.02 0.03 0.04 0.05 0.06 0.07 0.08"],
    [9.7, "0 1 2 3 4 5 6 7 8 9"],
    [10, "0 2 4 6 8 10"],
    [47, "0 5 10 15 20 25 30 35 40 45"],
    [600, "0 100 200 300 400 500 600"],
  ] as const) {
    const svg = plot([generationOf(0, 9, end / 2), generationOf(1, 500, end, true)], "");
    const texts = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
    assert.ok(texts.includes("Cart-pole: return over time"));
    assert.ok(texts.includes("time (s)"));
    assert.ok(texts.includes("return (steps of 20 ms that the pole stood)"));
    assert.ok(texts.includes("policy: 500"));
    const along = [...svg.matchAll(/<text class="tick"[^>]* text-anchor="middle">([^<]*)</g)].map(([, text]) => text);
    assert.equal(along.join(" "), ticks);
  }
  elementsOf(plot([], "nothing was learned"));
});

test("a terminal has one line of progress, a file a line now and then, and the last one", () => {
  const said = (isTTY: boolean, columns: number): string => {
    let text = "";
    const write = (some: string | Uint8Array): boolean => ((text += String(some)), true);
    const progress = new Progress({ write, isTTY, columns }, 2);
    for (let i = 0; i <= 10; i++) progress.show(generationOf(i, i * 50, i / 2, i === 10));
    progress.end();
    return text;
  };
  const lines = said(true, 40).split("\r\x1b[K");
  assert.equal(lines.length, 12);
  assert.ok(
    lines.every((line) => line.trimEnd().length < 40),
    "a longer one would not be written over",
  );
  assert.ok(lines.at(-1)!.endsWith("\n"));
  const plain = said(false, 0).split("\n");
  assert.deepEqual(
    plain.map((line) => /^generation +(\d+) /.exec(line)?.[1]),
    ["0", "4", "8", "10", undefined],
  );
  assert.match(plain[3], /^generation +10 +return 500\.0 of 500 █{16} +1000 episodes +5\.0 s$/);
});

test("the chart of a terminal rises where the return does", () => {
  const lines = chart([generationOf(0, 0, 1), generationOf(1, 250, 2), generationOf(2, 500, 4, true)], 8, 4).split(
    "\n",
  );
  assert.deepEqual(lines, [
    "return",
    "500 ┤       █",
    "    │       █",
    "250 ┤   █████",
    "    │   █████",
    "  0 └────────",
    "     0  4.0 s",
  ]);
  assert.equal(chart([]), "");
});

// ------------------------------------------------------------------------------------------------------ the program

const program = programFile("examples/rollouts/main");
const server = programFile("examples/rollouts/server");

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-rollouts-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function run(cwd: string, ...args: string[]): Promise<{ status: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { cwd, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (error.code ?? error.signal), stdout, stderr });
    });
  });
}

thoroughly(testRollout)("the program says how it goes, and draws its plot", async (t) => {
  const cwd = await folderOf(t);
  const { status, stdout, stderr } = await run(cwd, "--threads", "2", "--generations", "3", "--seed", "5");
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  assert.match(
    stdout,
    /^Learning to balance a pole: 2 threads at http:\/\/127\.0\.0\.1:\d+ play, seed 5\. Ctrl-C stops\.\n/,
  );
  assert.match(stdout, /\ngeneration +0 +return +[\d.]+ of 500 /);
  assert.match(stdout, /\n500 ┤/);
  assert.match(stdout, /\nNot solved in [\d.]+ s, return [\d.]+ of 500\.\n/);
  assert.match(stdout, /\n3 generations, 7,212 episodes \([\d,]+ a second\), [\d,]+ steps a second\.\n/);
  const [, file] = /\nThe plot is (.*)\n$/.exec(stdout)!;
  assert.equal(path.basename(file), "rollouts.svg");
  const svg = await readFile(path.join(cwd, "rollouts.svg"), "utf8");
  assert.equal(elementsOf(svg).filter((name) => name === "circle").length, 3);
  assert.match(svg, /Not solved in [\d.]+ s, .*; 2 threads, seed 5/);
});

thoroughly(testRollout)("Ctrl-C, or the end of its time, ends the program with a plot of what there is", async (t) => {
  const cwd = await folderOf(t);
  const child = spawn(process.execPath, [program, "--out", "a.svg"], { cwd, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  await until(() => stdout.includes("generation   0"), "the first generation", 20_000);
  sendSignal(child, "SIGINT");
  const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
  assert.deepEqual([status, signal], [0, null]);
  assert.match(stdout, /Not solved in/);
  elementsOf(await readFile(path.join(cwd, "a.svg"), "utf8"));

  const timed = await run(cwd, "--seconds", "1", "--out", "b.svg");
  assert.match(timed.stdout, /\nNot solved in [\d.]+ s/);
  elementsOf(await readFile(path.join(cwd, "b.svg"), "utf8"));
});

thoroughly(testRollout)("the actors may be elsewhere", async (t) => {
  const cwd = await folderOf(t);
  const { origin, log } = await startProgram(t, server, ["127.0.0.1", "0", "2"]);
  const { status, stdout } = await run(cwd, "--actor", `${origin}/`, "--threads", "1", "--generations", "1");
  assert.equal(status, 0);
  assert.ok(stdout.includes(`1 thread at ${origin} play`));
  assert.match(stdout, /\n1 generation, 2,404 episodes/);
  assert.equal(log(), "", "what goes well is not logged");
  const nobody = await impostor(t, die);
  const failed = await run(cwd, "--actor", nobody);
  assert.equal(failed.status, 2);
  assert.ok(failed.stderr.startsWith(`rollouts: there is no actor left: ${nobody} does not respond: `), failed.stderr);
});

thoroughly(test)("what is wrong on the command line is said in a line", async (t) => {
  const cwd = await folderOf(t);
  const taken = await serve(t, 1);
  const cases: [args: string[], says: RegExp][] = [
    [["--threads", "0"], /^rollouts: --threads takes a whole number from 1 to 192, not "0"\n$/],
    [["--seed", "x"], /^rollouts: --seed takes/],
    [["--port", "65536"], /^rollouts: --port takes/],
    [["--seconds", ""], /^rollouts: --seconds takes/],
    [["--generations", "1.5"], /^rollouts: --generations takes/],
    [
      ["--actor", "10.0.0.1:8000"],
      /^rollouts: --actor takes an address such as http:\/\/192\.168\.1\.42:8000, not "10/,
    ],
    [["--speed", "1"], /^rollouts: Unknown option '--speed' \(--help lists the options\)\n$/],
    [["--port", String(taken.httpd.serverAddress[1])], /^rollouts: cannot listen on .*in use/],
  ];
  // It says so when it has played.
  if (!thorough) cases.splice(3);
  else if (runtime !== "bun")
    cases.push([["--out", "no/such/folder.svg", "--generations", "1"], /^rollouts: .*no such file.*\n$/]);
  const results = await Promise.all(cases.map(([args]) => run(cwd, ...args)));
  for (const [i, { status, stderr }] of results.entries()) {
    assert.match(stderr, cases[i][1]);
    assert.equal(status, 2, stderr);
  }
  assert.match((await run(cwd, "--help")).stdout, /^usage: npm run rollouts/);
});
