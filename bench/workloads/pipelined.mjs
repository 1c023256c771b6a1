// The addition without waiting for responses: what is left when a system call carries many requests.
import { addition, pipeline } from "../lib/requests.mjs";
import { FEW, workload } from "../lib/workload.mjs";

const DEPTH = 16;

export const pipelined = workload({
  name: "pipelined",
  title: `POST / with two numbers, ${DEPTH} requests at a time on each of 64 connections`,
  serves: ["add"],
  field: FEW,
  anew: true,
  load: { exchanges: [pipeline(addition(), DEPTH)], connections: 64, depth: DEPTH },
  goals: [
    { ours: "plinth-post@node26", theirs: "uws", least: 1.3 },
    { ours: "plinth-post@node26", theirs: "node-http@node26", least: 4.0 },
  ],
});
