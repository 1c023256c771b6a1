// The post's addition, as an API's client asks for it. It is the one workload that everybody is in, and has the longest runs.
import { addition } from "../lib/requests.mjs";
import { workload } from "../lib/workload.mjs";

export const add = workload({
  name: "add",
  title: "POST / with two numbers, 64 connections",
  serves: ["add"],
  load: { exchanges: [addition()], connections: 64 },
  anew: true,
  seconds: (seconds) => Math.max(1, Math.round(seconds)),
  goals: [
    { ours: "plinth-bare@node26", theirs: "uws", least: 1.0 },
    { ours: "plinth-bare@node26", theirs: "node-http@node26", least: 2.1 },
    { ours: "plinth-bare@node26", theirs: "c", least: 0.75 },
    { ours: "plinth-post@node26", theirs: "node-http@node26", least: 2.0 },
    { ours: "plinth-post@node26", theirs: "fastify@node26", least: 2.3 },
    { ours: "plinth-post@node26", theirs: "hono@node26", least: 3.0 },
    { ours: "plinth-post@node26", theirs: "uws", least: 1.0, stretch: true },
    { ours: "plinth-post@node20", theirs: "node-http@node20", least: 1.9 },
    { ours: "plinth-post@node20", theirs: "uws", least: 0.9 },
    { ours: "plinth-app@node26", theirs: "fastify@node26", least: 1.8 },
  ],
});
