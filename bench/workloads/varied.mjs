// No two requests alike, so that nothing is won by having seen the last one.
import { variedRequests } from "../lib/requests.mjs";
import { FEW, workload } from "../lib/workload.mjs";

const COUNT = 2048;

export const varied = workload({
  name: "varied",
  title: `${COUNT.toLocaleString("en-US")} different requests in turns, GET by path and POST, 64 connections`,
  serves: ["add", "path"],
  field: FEW,
  anew: true,
  load: { exchanges: variedRequests(COUNT), connections: 64 },
  goals: [
    { ours: "plinth-post@node26", theirs: "node-http@node26", least: 2.0 },
    { ours: "plinth-post@node26", theirs: "uws", least: 1.0, stretch: true },
  ],
});
