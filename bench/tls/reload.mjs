// The certificate is replaced again and again while clients connect: whether one of them notices.
import { once } from "node:events";
import process from "node:process";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { certificate, makeCertificate } from "../lib/certificate.mjs";
import { Child } from "../lib/processes.mjs";
import { ADDITION, plinth, start } from "../lib/servers.mjs";
import { spread } from "../lib/stats.mjs";
import { figure, range, table } from "../lib/table.mjs";
import { connect, openEvent } from "../load/connect.mjs";

/** Requests under way on connections of their own, and on connections that are kept. */
const NEW = 16;
const KEPT = 4;
const LISTENERS = 2;
/** Connections that look at the certificate behind each replacement. Each of several event loops gets some of them. */
const LOOKS = { one: 1, several: 6 };

const file = fileURLToPath(new URL("../load/asking.mjs", import.meta.url));

export const reload = {
  name: "reload",
  title: "the certificate is replaced while clients connect: requests that fail",
  async run(context) {
    const contestants = [
      plinth("HTTPSServer"),
      plinth("ThreadingHTTPSServer"),
      plinth("HTTPSServer", {
        name: `HTTPSServer, ${LISTENERS} listeners`,
        options: { listeners: LISTENERS },
        newer: true,
      }),
    ].filter((one) => context.isThere(one));
    const results = [];
    for (const one of contestants) results.push(await measure(context, one));
    return report(results, context.reloads);
  },
};

async function measure(context, contestant) {
  const { name, runtime } = contestant;
  const server = await start(contestant);
  const certificates = [await certificate(), await makeCertificate()];
  const ca = certificates.map(({ cert }) => cert);
  const { path, body, expect } = ADDITION;
  const orders = { port: server.port, ca, onNew: NEW, onKept: KEPT, path, body, expect };
  const load = new Child(process.execPath, [file, JSON.stringify(orders)]);
  await load.line();
  const pause = (context.seconds * 2000) / context.reloads;
  const looks = name === contestant.env.BENCH_SERVER ? LOOKS.one : LOOKS.several;
  const took = [];
  let stale = 0;
  for (let i = 1; i <= context.reloads; i++) {
    if (i % 10 === 0) context.tell(`${name}: ${i} of ${context.reloads}`);
    const next = certificates[i % 2];
    const began = performance.now();
    await replace(server, next);
    took.push(performance.now() - began);
    const shown = await Promise.all(Array.from({ length: looks }, () => look(server, ca)));
    stale += shown.filter((fingerprint) => fingerprint !== next.fingerprint).length;
    await after(Math.max(0, pause - (performance.now() - began)));
  }
  load.say("stop");
  const { onNew, onKept } = JSON.parse(await load.line());
  await load.exited;
  await server.stop();
  return { name, runtime, took, looks: looks * context.reloads, stale, onNew, onKept };
}

async function replace({ name, child }, { certFile, keyFile }) {
  child.say(JSON.stringify({ certfile: certFile, keyfile: keyFile }));
  const said = await child.line();
  if (said !== "set") throw new Error(`${name}: setCertificate has failed: ${said}`);
}

/** The fingerprint of the certificate that a server shows. */
async function look({ port }, ca) {
  const socket = connect(port, ca);
  try {
    await once(socket, openEvent(ca));
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}

/** What requests got, other than what they should. */
const failuresOf = ({ onNew, onKept }) =>
  [onNew, onKept].flatMap(({ responses }) => Object.entries(responses)).filter(([what]) => what !== "200");

function report(results, reloads) {
  const rows = [
    [
      "server",
      "runtime",
      "setCertificate took",
      "over all",
      "on new connections",
      "on kept ones",
      "failed",
      "saw the one before",
    ],
  ];
  const notes = [];
  const goals = [];
  for (const result of results) {
    const { name, runtime, took, looks, stale, onNew, onKept } = result;
    const failures = failuresOf(result);
    const failed = failures.reduce((sum, [, n]) => sum + n, 0);
    const milliseconds = spread(took);
    const perSecond = ({ responded, seconds }) => `${figure(responded / seconds)}/s`;
    rows.push([
      name,
      runtime,
      `${figure(milliseconds.median)} ms`,
      range(milliseconds),
      perSecond(onNew),
      perSecond(onKept),
      String(failed),
      `${stale} of ${looks}`,
    ]);
    if (failed > 0) notes.push(`${name}: ${failures.map(([what, n]) => `${what} (${n})`).join(", ")}`);
    const requests = (onNew.responded + onKept.responded + failed).toLocaleString("en-US");
    const who = `${name} (${runtime})`;
    goals.push(
      {
        what: `of ${requests} requests that failed while the certificate was replaced ${reloads} times, ${who}`,
        figure: String(failed),
        spread: "",
        goal: "0",
        met: failed === 0,
      },
      {
        what: `of ${looks} connections that were shown the certificate before, ${who}`,
        figure: String(stale),
        spread: "",
        goal: "0",
        met: stale === 0,
      },
    );
  }
  return { text: [table(rows), ...notes].join("\n"), goals, data: results };
}
