// What a browser sends: a GET, and a head of some 600 bytes.
import { browserRequest } from "../lib/requests.mjs";
import { FEW, workload } from "../lib/workload.mjs";

export const browser = workload({
  name: "browser",
  title: "GET /val_a/3/val_b/4 with a browser's head, 64 connections",
  serves: ["path"],
  field: FEW,
  anew: true,
  load: { exchanges: [browserRequest()], connections: 64 },
  goals: [
    { ours: "plinth-post@node26", theirs: "node-http@node26", least: 2.0 },
    { ours: "plinth-post@node26", theirs: "uws", least: 1.0, stretch: true },
  ],
});
