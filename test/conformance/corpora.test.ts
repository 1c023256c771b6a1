/** Every case of the corpora against the engine: in memory however its bytes are split, and once over TCP. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test, type TestContext } from "node:test";
import { HTTPServer, MemoryTransport, type RequestHandlerClass, ThreadingHTTPServer } from "plinth";
import { turn } from "../server/support.ts";
import { type Case, FILES, type Outcome, readCases, verdict } from "./cases.ts";
import { ConformanceHandler } from "./handler.ts";
import { compare, recorderFor, seen } from "./messages.ts";
import { thorough } from "../support/thorough.ts";

/** One case, sent in these pieces. */
interface Run {
  readonly asked: Case;
  readonly pieces: readonly string[];
}

/** Every place where bytes can be cut in two; in the short run every eighth, which are others for other lengths. */
const cutsOf = (length: number): number[] =>
  Array.from({ length: length - 1 }, (_, i) => i + 1).filter((cut) => thorough || (cut + length) % 8 === 0);

const splits: Record<string, (sent: string) => string[][]> = {
  whole: (sent) => [[sent]],
  "byte by byte": (sent) => (sent.length < 3000 ? [[...sent]] : []),
  "line by line": (sent) => [sent.split(/(?<=\r\n)/)],
  "cut in two": (sent) =>
    sent.length < 400 ? cutsOf(sent.length).map((cut) => [sent.slice(0, cut), sent.slice(cut)]) : [],
};

/** So many connections are open at a time, and their pieces sent in the same turns. */
const BATCH = 500;

async function serveInMemory(t: TestContext, Handler: RequestHandlerClass): Promise<MemoryTransport> {
  const transport = new MemoryTransport();
  const httpd = new HTTPServer(["memory", 80], Handler, { log: "none", transport });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  return transport;
}

/** Sends each run over a connection of its own, a piece a turn, and tells `judge` what came of it, and the connection's number. */
async function sendAll(
  transport: MemoryTransport,
  runs: readonly Run[],
  judge: (run: Run, outcome: Outcome, number: number) => void,
  opened: { count: number },
): Promise<void> {
  for (let from = 0; from < runs.length; from += BATCH) {
    const batch = runs
      .slice(from, from + BATCH)
      .map((run) => ({ run, client: transport.connect(), number: ++opened.count }));
    const most = Math.max(...batch.map(({ run }) => run.pieces.length));
    for (let i = 0; i < most; i++) {
      for (const { run, client } of batch) if (i < run.pieces.length) await client.send(run.pieces[i]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await turn();
    for (const { run, client, number } of batch) {
      judge(run, { text: client.take(), closed: client.ended || client.closed }, number);
      client.destroy();
    }
  }
}

/** All that is wrong, a line each, as long as that is readable. */
function report(complaints: readonly string[]): void {
  assert.equal(complaints.length, 0, `${complaints.length} complaints\n${complaints.slice(0, 20).join("\n")}`);
}

function complain(complaints: string[], { asked, pieces }: Run, what: string | null): void {
  if (what !== null)
    complaints.push(`${asked.id} (first piece ${pieces[0].length} bytes of ${asked.sent.length}): ${what}`);
}

test("the corpora are whole", () => {
  assert.deepEqual(
    FILES.map((file) => readCases(file).length),
    [222, 1300, 92],
  );
});

for (const [how, split] of Object.entries(splits)) {
  for (const file of FILES) {
    test(`${file} in memory, ${how}: each case gets a response as it asks`, async (t) => {
      const runs = readCases(file).flatMap((asked) => split(asked.sent).map((pieces) => ({ asked, pieces })));
      assert.ok(runs.length > 0);
      const complaints: string[] = [];
      const transport = await serveInMemory(t, ConformanceHandler);
      const judge = (run: Run, outcome: Outcome) => complain(complaints, run, verdict(run.asked, outcome));
      await sendAll(transport, runs, judge, { count: 0 });
      report(complaints);
    });
  }

  test(`what is read out of the cases, ${how}: method, target, version, fields, body, trailers`, async (t) => {
    const cases = FILES.flatMap(readCases).filter(({ messages }) => messages.length > 0);
    assert.ok(cases.length > 100);
    const runs = cases.flatMap((asked) => split(asked.sent).map((pieces) => ({ asked, pieces })));
    const complaints: string[] = [];
    const transport = await serveInMemory(t, recorderFor(cases));
    seen.clear();
    const judge = (run: Run, _: Outcome, number: number) => {
      complain(complaints, run, compare(run.asked, seen.get(number) ?? []));
      seen.delete(number);
    };
    await sendAll(transport, runs, judge, { count: 0 });
    report(complaints);
  });
}

/**
 * Goes back and forth on connections of its own. Connections are accepted in the order they come, and what was sent before has
 * arrived before: when this is through, everything that was to be said to earlier bytes has been said, without waiting any time.
 */
async function pass(port: number): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const socket = net.connect(port, "127.0.0.1");
    for (let j = 0; j < 2; j++) {
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await once(socket, "data");
    }
    socket.destroy();
  }
}

async function sendOverTCP(port: number, asked: Case): Promise<Outcome> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let text = "";
  let closed = false;
  socket.on("data", (data: Buffer) => (text += data.toString("latin1")));
  for (const event of ["end", "close"]) socket.on(event, () => (closed = true));
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.write(asked.sent, "latin1", () => resolve()));
  await pass(port);
  socket.destroy();
  return { text, closed };
}

const servers: Record<string, () => HTTPServer> = {
  "over TCP": () => new HTTPServer(["127.0.0.1", 0], ConformanceHandler, { log: "none" }),
  // One thread runs what it is given in order: see pass.
  "over TCP, in a thread": () =>
    new ThreadingHTTPServer(["127.0.0.1", 0], ConformanceHandler, { log: "none", threads: 1 }),
};

for (const [how, makeServer, file] of Object.entries(servers).flatMap(([how, make]) =>
  FILES.map((file) => [how, make, file] as const),
)) {
  test(`${file} ${how}: each case gets a response as it asks`, async (t) => {
    const httpd = makeServer();
    await httpd.serverActivate();
    t.after(() => httpd.serverClose());
    const port = httpd.serverAddress[1];
    const cases = readCases(file);
    const complaints: string[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let asked; (asked = cases[next++]) !== undefined;) {
        const outcome = await sendOverTCP(port, asked);
        complain(complaints, { asked, pieces: [asked.sent] }, verdict(asked, outcome));
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));
    report(complaints);
  });
}
