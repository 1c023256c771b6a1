// The addition on each runtime, Plinth beside the runtime's own server and what else runs there.
import { addition, pipeline } from "../lib/requests.mjs";
import { workload } from "../lib/workload.mjs";

const OURS = ["node26", "bun", "deno"].flatMap((runtime) => [`plinth-post@${runtime}`, `plinth-bare@${runtime}`]);
const ON_DENO = ["deno", "hono@deno", "fastify@deno", "node-http@deno"];
const ON_BUN = ["bun", "hono@bun", "fastify@bun", "node-http@bun"];
const DEPTH = 16;

export const runtimes = workload({
  name: "runtimes",
  title: "POST / with two numbers, 64 connections, on each runtime",
  serves: ["add"],
  field: [...OURS, ...ON_BUN, ...ON_DENO, "uws", "c"],
  load: { exchanges: [addition()], connections: 64 },
  anew: true,
  seconds: (seconds) => Math.max(1, Math.round(seconds)),
  goals: [
    { ours: "plinth-bare@bun", theirs: "bun", least: 1.35 },
    { ours: "plinth-bare@bun", theirs: "uws", least: 1.2 },
    { ours: "plinth-bare@bun", theirs: "c", least: 0.85, stretch: true },
    { ours: "plinth-post@bun", theirs: "bun", least: 1.2 },
    { ours: "plinth-post@bun", theirs: "uws", least: 1.1 },
    { ours: "plinth-bare@deno", theirs: "deno", least: 1.0, stretch: true },
    { ours: "plinth-post@deno", theirs: ON_DENO.slice(1), least: 1.0 },
  ],
});

export const runtimesPipelined = workload({
  name: "runtimes-pipelined",
  title: `POST / with two numbers, ${DEPTH} requests at a time on each of 64 connections, on each runtime`,
  serves: ["add"],
  field: [...OURS, "bun", "deno", "uws"],
  anew: true,
  load: { exchanges: [pipeline(addition(), DEPTH)], connections: 64, depth: DEPTH },
  goals: [
    { ours: "plinth-bare@bun", theirs: "bun", least: 3.0 },
    { ours: "plinth-post@bun", theirs: "bun", least: 3.0 },
  ],
});
