// Open loop: requests leave at times that were fixed beforehand, whatever has become of those before, and a response's latency
// counts from that time on. So a server that stalls is charged for every request that came in the meantime (a loop that waits for
// its responses would stop asking just then). A process of its own; its orders are its first argument, and then:
//
//     it says          when
//     ready            each connection has had a response
//     (it is told go)
//     sent             the last request has left; also made so by "stop"
//     {…}              all responses are there, or `patience` is over
//
// How late it was itself in sending is in its result: `lag` is a part of every latency.
import os from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";
import { percentile } from "../lib/stats.mjs";
import { Connection, format } from "./client.mjs";

const { port, ca, rate, seconds, connections, path, body, expect, patience } = JSON.parse(process.argv[2]);
const bytes = format("POST", path, body);
const expected = new RegExp(expect);

let priority = "as any process";
try {
  // It stands for clients elsewhere, which no computation here holds up. Needs root.
  os.setPriority(-15);
  priority = "raised";
} catch {
  // Then its lag may be larger, and is told.
}

/** Connections without a request; the last that was used comes first. */
const idle = [];
let opened = 0;
/** Times of requests that found no connection. */
const waiting = [];

const latencies = [];
const lags = [];
const failures = {};
let sent = 0;
let underWay = 0;

let first = 0;
let end = 0;
let at = 0;

const say = (line) => process.stdout.write(`${line}\n`);

function open() {
  opened++;
  const closed = (connection) => {
    opened--;
    const place = idle.indexOf(connection);
    if (place >= 0) idle.splice(place, 1);
  };
  return new Connection(port, closed, ca);
}

function failed(why) {
  failures[why] = (failures[why] ?? 0) + 1;
}

function ask(due) {
  // One that the server has closed is opened again.
  const connection = idle.pop() ?? (opened < connections ? open() : undefined);
  if (connection === undefined) {
    waiting.push(due);
    return;
  }
  underWay++;
  connection.send(bytes, (error, status, content) => {
    underWay--;
    if (error !== null) failed(error);
    else if (status !== 200) failed(String(status));
    else if (!expected.test(content)) failed(`responded ${content.slice(0, 40)}`);
    latencies.push(performance.now() - due);
    if (!connection.closed) idle.push(connection);
    const next = waiting.shift();
    if (next !== undefined) ask(next);
  });
}

/** Sends what is due. */
function tick() {
  const now = performance.now();
  for (;;) {
    const due = first + (at * 1000) / rate;
    if (due >= end) {
      say("sent");
      return finish(now + patience * 1000);
    }
    if (due > now) {
      setTimeout(tick, Math.min(due - now, 50));
      return;
    }
    at++;
    sent++;
    lags.push(now - due);
    ask(due);
  }
}

function finish(latest) {
  const now = performance.now();
  const missing = underWay + waiting.length;
  if (missing > 0 && now < latest) {
    setTimeout(finish, 10, latest);
    return;
  }
  if (missing > 0) {
    failures["no response"] = missing;
    // They took at least as long as we have waited behind the last.
    for (let i = 0; i < missing; i++) latencies.push(patience * 1000);
  }
  say(JSON.stringify({ sent, failures, latency: digest(latencies), lag: digest(lags), priority }));
  process.stdout.write("", () => process.exit());
}

function digest(values) {
  return {
    p50: percentile(values, 50),
    p90: percentile(values, 90),
    p99: percentile(values, 99),
    max: percentile(values, 100),
  };
}

createInterface(process.stdin)
  .on("line", (order) => {
    if (order === "stop") end = Math.min(end, performance.now());
    if (order !== "go") return;
    first = performance.now() + 10;
    end = seconds > 0 ? first + seconds * 1000 : Infinity;
    tick();
  })
  .on("close", () => process.exit());

const responded = Array.from(
  { length: connections },
  () =>
    new Promise((resolve) => {
      const connection = open();
      connection.send(bytes, () => {
        idle.push(connection);
        resolve();
      });
    }),
);
await Promise.all(responded);
say("ready");
