// The addition over TLS: on connections that are kept, and with a handshake for each request. All servers have the same certificate.
import { addition } from "../lib/requests.mjs";
import { workload } from "../lib/workload.mjs";

const RUNTIMES = ["node26", "node20", "bun", "deno"];
const FIELD = [
  ...RUNTIMES.flatMap((runtime) => [`plinth-post@${runtime}`, `plinth-bare@${runtime}`]),
  "node-http@node26",
  "node-http@node20",
  "fastify@node26",
  "uws",
  "bun",
  "deno",
];

export const tls = workload({
  name: "tls",
  title: "POST / with two numbers over TLS, 64 connections, on each runtime",
  serves: ["add"],
  tls: true,
  field: FIELD,
  load: { exchanges: [addition()], connections: 64 },
  anew: true,
  seconds: (seconds) => Math.max(1, Math.round(seconds)),
  goals: [
    { ours: "plinth-bare@node26", theirs: "node-http@node26", least: 1.8 },
    { ours: "plinth-bare@bun", theirs: "bun", least: 1.0, stretch: true },
    { ours: "plinth-bare@deno", theirs: "deno", least: 1.0, stretch: true },
  ],
});

export const tlsChurn = workload({
  name: "tls-churn",
  title: "POST / over TLS with Connection: close, a whole handshake for each request, 64 at a time",
  serves: ["add"],
  tls: true,
  field: FIELD,
  // What makes and ends connections is slow to become warm.
  load: { exchanges: [addition([["Connection", "close"]])], connections: 64, ends: true, warm: 3 },
  goals: [{ ours: "plinth-bare@node26", theirs: "node-http@node26", least: 1.0 }],
});
