// A connection for each request: most of it is the system's work, the same for all.
import { addition } from "../lib/requests.mjs";
import { FEW, workload } from "../lib/workload.mjs";

export const churn = workload({
  name: "churn",
  title: "POST / with Connection: close, a connection for each request, 64 at a time",
  serves: ["add"],
  field: [...FEW, "plinth-post@node20", "node-http@node20"],
  // What makes and ends connections is slow to become warm.
  load: { exchanges: [addition([["Connection", "close"]])], connections: 64, ends: true, warm: 3 },
  goals: [{ ours: "plinth-post@node26", theirs: "node-http@node26", least: 1.2 }],
});
