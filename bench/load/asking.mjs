// Additions over TLS, as fast as they go, on new connections and on kept ones. A process of its own; its orders are its first argument. It says
// "asks" when it has begun, goes on until it is told "stop", and then tells in a line of JSON what requests got (client.mjs, keepAsking).
import process from "node:process";
import { createInterface } from "node:readline";
import { format, keepAsking } from "./client.mjs";

/** `onNew`, `onKept`: how many requests are under way on connections of each kind */
const { port, ca, onNew, onKept, path, body, expect } = JSON.parse(process.argv[2]);

const [forNew, forKept] = ["Connection: close\r\n", ""].map((fields) => format("POST", path, body, fields));
const loads = [
  keepAsking(port, onNew, () => forNew, { ca, expect }),
  keepAsking(port, onKept, () => forKept, { ca, expect }),
];

createInterface(process.stdin)
  .on("line", async () => {
    const [gotNew, gotKept] = await Promise.all(loads.map((load) => load.stop()));
    process.stdout.write(`${JSON.stringify({ onNew: gotNew, onKept: gotKept })}\n`, () => process.exit());
  })
  .on("close", () => process.exit());
process.stdout.write("asks\n");
