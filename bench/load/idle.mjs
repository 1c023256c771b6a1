// Connections that stay open and say nothing more after one request each. A process of its own; its orders are its first argument:
//
//     it says            when
//     {"open":N}         each has had its response; also when it is told "count"
import process from "node:process";
import { createInterface } from "node:readline";
import { Connection, format } from "./client.mjs";

const { port, connections, path, body, expect } = JSON.parse(process.argv[2]);
const bytes = format("POST", path, body);
const expected = new RegExp(expect);

/** So many are being opened at a time: more would not fit into a server's queue of those to be accepted. */
const AT_ONCE = 100;

let open = 0;
let left = connections;
const failures = {};

function one() {
  return new Promise((resolve) => {
    open++;
    const connection = new Connection(port, () => open--);
    connection.send(bytes, (error, status, content) => {
      const why = error ?? (status === 200 && expected.test(content) ? undefined : `status ${status}`);
      if (why !== undefined) failures[why] = (failures[why] ?? 0) + 1;
      resolve();
    });
  });
}

async function some() {
  while (left > 0) {
    left--;
    await one();
  }
}

const say = () => process.stdout.write(`${JSON.stringify({ open, failures })}\n`);

createInterface(process.stdin)
  .on("line", say)
  .on("close", () => process.exit());
await Promise.all(Array.from({ length: AT_ONCE }, some));
say();
