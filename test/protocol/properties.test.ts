/** What holds for every request, every response and every byte, however they are cut up. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { after, describe, test } from "node:test";
import * as fc from "fast-check";
import { PROTOCOL_ERRORS } from "plinth/protocol";
import { type Split } from "../support/bytes.ts";
import { Driver, exchangesOf, type Outcome, type Pairs } from "../support/driver.ts";
import { content, cuts, fieldValue, placesIn, request, requests, token } from "../support/request_generators.ts";
import { type CompleteResponse, readResponses } from "../support/responses.ts";
import { requireProgram } from "../support/system.ts";
import { announce } from "../support/requests.ts";
import { runs } from "../support/thorough.ts";

/** Checks that these bytes come out the same, however they are cut, with the peer's end behind them and without. */
function sameHowever(data: string, cutAt: readonly number[]): { open: Outcome; ended: Outcome } {
  const splits: Split[] = ["bytes", placesIn(data.length, cutAt)];
  const [open, ended] = [false, true].map((end) => {
    const whole = exchangesOf(data, "whole", { end });
    for (const split of splits) assert.deepEqual(exchangesOf(data, split, { end }), whole);
    return whole;
  });
  return { open, ended };
}

const CODES = new Set(PROTOCOL_ERRORS.map(({ code }) => code));

/** Checks what holds of every outcome, also of nonsense. */
function checkOutcome({ exchanges, error, output, closing }: Outcome): void {
  assert.ok(error === null || CODES.has(error));
  if (error !== null) assert.notEqual(closing, null, "a connection closes behind a fault");
  for (const { complete } of exchanges.slice(0, -1))
    assert.equal(complete, true, "a request follows an incomplete one");
  // Every request gets a response, and a fault as well: in order, and so that it can be read.
  const responded = exchanges.filter(({ complete }) => complete);
  const last = exchanges.at(-1);
  const methods = responded.map(({ method }) => method);
  const unread = last !== undefined && !last.complete;
  if (unread) methods.push(last.method);
  if (error !== null && !unread) {
    // Who asked is known only to the reader of the head: a HEAD gets no content.
    methods.push(output.endsWith("\r\n\r\n") ? "HEAD" : "GET");
  }
  const responses = error === null && unread ? readWithout(output, methods) : readResponses(output, methods);
  responses.forEach(({ status }, i) => {
    if (error !== null && i === responses.length - 1) assert.ok(status >= 400 && status < 600);
    else assert.ok(status === 200 || methods[i] === "CONNECT");
  });
}

/** The last request waits for its content: all that may have been said to it is 100. */
function readWithout(output: string, methods: string[]): CompleteResponse[] {
  const rest = output.endsWith("HTTP/1.1 100 Continue\r\n\r\n")
    ? output.slice(0, -"HTTP/1.1 100 Continue\r\n\r\n".length)
    : output;
  return readResponses(rest, methods.slice(0, -1));
}

describe("requests", () => {
  test("any split of any valid stream gives the exchanges that were sent", () => {
    fc.assert(
      fc.property(requests, cuts, (sent, cutAt) => {
        const data = sent.map(({ data }) => data).join("");
        const { open, ended } = sameHowever(data, cutAt);
        const messages = sent.map(({ message }) => message);
        assert.deepEqual(open.exchanges, messages);
        assert.deepEqual([open.error, open.closing], [null, null]);
        assert.deepEqual(ended, { ...open, closing: "end" });
        const responses = readResponses(
          open.output,
          messages.map(({ method }) => method),
        );
        assert.deepEqual(
          responses.map(({ body }) => body),
          messages.map(({ method, body }) => (method === "HEAD" ? "" : body)),
        );
      }),
      { numRuns: runs(300) },
    );
  });

  test("any part of a valid stream gives the same, however it is cut, and no more than was sent", () => {
    fc.assert(
      fc.property(requests, fc.nat(1_000_000), cuts, (sent, stop, cutAt) => {
        const data = sent.map(({ data }) => data).join("");
        const part = data.slice(0, placesIn(data.length, [stop])[0]);
        const { open, ended } = sameHowever(part, cutAt);
        assert.equal(open.error, null);
        assert.ok(ended.error === null || ended.error === "HEAD_INCOMPLETE" || ended.error === "BODY_INCOMPLETE");
        for (const outcome of [open, ended]) {
          checkOutcome(outcome);
          outcome.exchanges.forEach((exchange, i) => {
            const { message } = sent[i];
            if (exchange.complete) assert.deepEqual(exchange, message);
            else {
              assert.deepEqual(
                { ...exchange, body: "", complete: true, trailers: message.trailers },
                { ...message, body: "" },
              );
              assert.ok(message.body.startsWith(exchange.body));
            }
          });
        }
      }),
      { numRuns: runs(400) },
    );
  });

  const fragments = fc.constantFrom(
    ..."GET / HTTP/1.1|\r\n|\r|\n|:| |\t|\0|\x80|Host: a|Host|Content-Length: 3|Content-Length|Transfer-Encoding: chunked|".split(
      "|",
    ),
    ...'Connection: close|Expect: 100-continue|POST|HEAD|CONNECT a:80 HTTP/1.1|HTTP/1.0|/|*|http://a|3|abc|0|;a=b|;|=|"|\\|\r\n\r\n'.split(
      "|",
    ),
  );
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 200, size: "max" }).map((data) => Buffer.from(data).toString("latin1")),
    fc.array(fragments, { maxLength: 40, size: "max" }).map((parts) => parts.join("")),
    fc
      .array(fragments, { maxLength: 20, size: "max" })
      .map((parts) => `GET / HTTP/1.1\r\nHost: a\r\n${parts.join("")}`),
    fc
      .array(fragments, { maxLength: 20, size: "max" })
      .map((parts) => `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${parts.join("")}`),
  );

  test("random bytes give exchanges or a protocol error and nothing else, the same however they are cut", () => {
    fc.assert(
      fc.property(noise, cuts, (data, cutAt) => {
        const { open, ended } = sameHowever(data, cutAt);
        checkOutcome(open);
        checkOutcome(ended);
      }),
      { numRuns: runs(3000) },
    );
  });

  /** What is done to valid bytes: something is left out, put in, doubled, or turned. */
  const mutation = fc.tuple(
    fc.constantFrom("remove", "insert", "double", "flip"),
    fc.nat(1_000_000),
    fc.integer({ min: 1, max: 6 }),
    fc.oneof(
      fragments,
      fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
    ),
  );

  test("mutated requests give exchanges or a protocol error and nothing else, the same however they are cut", () => {
    fc.assert(
      fc.property(
        requests,
        fc.array(mutation, { minLength: 1, maxLength: 4, size: "max" }),
        cuts,
        (sent, mutations, cutAt) => {
          let data = sent.map(({ data }) => data).join("");
          for (const [how, place, length, more] of mutations) {
            const [at] = placesIn(data.length, [place]);
            const [before, some, behind] = [data.slice(0, at), data.slice(at, at + length), data.slice(at + length)];
            if (how === "remove") data = before + behind;
            else if (how === "insert") data = before + more + some + behind;
            else if (how === "double") data = before + some + some + behind;
            else
              data =
                before +
                String.fromCharCode((some.charCodeAt(0) ^ (1 << (length % 8))) & 0xff) +
                some.slice(1) +
                behind;
          }
          const { open, ended } = sameHowever(data, cutAt);
          checkOutcome(open);
          checkOutcome(ended);
        },
      ),
      { numRuns: runs(600) },
    );
  });

  test("a handler that reads what it likes and responds when it likes never sees another request's bytes", () => {
    // How much is read, of which request, before it gets a response.
    const appetites = fc.array(fc.oneof(fc.nat(50), fc.constant(100_000)), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(requests, appetites, cuts, (sent, appetites, cutAt) => {
        const data = sent.map(({ data }) => data).join("");
        let i = 0;
        const driver = new Driver({}, (call) => {
          let left = appetites[i++];
          const go = (): void => {
            while (left > 0) {
              const n = call.read(left);
              if (n === 0) return;
              if (n < 0) break;
              left -= n;
            }
            call.response("", 400);
          };
          call.whenReadable = go;
          call.demand();
          go();
        });
        driver.feed(data, placesIn(data.length, cutAt));
        driver.take();
        assert.equal(driver.connection.closing, null);
        assert.equal(driver.calls.length, sent.length);
        driver.calls.forEach((call, n) => {
          const { message } = sent[n];
          assert.deepEqual(
            [call.exchange.head.target, [...call.exchange.head.fields]],
            [message.target, message.fields],
          );
          assert.equal(call.body, message.body.slice(0, appetites[n]));
        });
      }),
      { numRuns: runs(300) },
    );
  });
});

interface Given {
  readonly method: string;
  readonly minor: 0 | 1;
  readonly status: number;
  readonly reason: string;
  readonly fields: Pairs;
  readonly pieces: string[];
  readonly counted: boolean;
  readonly trailers: Pairs | undefined;
  readonly interim: number[];
  /** What leaves before the next piece is written. */
  readonly pulls: boolean[];
}

const pairs = fc.array(
  fc.tuple(token, fieldValue).filter(([name]) => !/^(?:content-length|transfer-encoding|connection)$/i.test(name)),
  { maxLength: 4, size: "max" },
);

const given: fc.Arbitrary<Given> = fc.record({
  method: fc.constantFrom("GET", "GET", "POST", "HEAD", "RICKROLL"),
  minor: fc.constantFrom(0, 1, 1),
  status: fc.oneof(fc.constantFrom(200, 204, 205, 304, 404), fc.integer({ min: 200, max: 599 })),
  reason: fc.array(token, { maxLength: 3, size: "max" }).map((words) => words.join(" ")),
  fields: pairs,
  pieces: fc.array(content, { maxLength: 5, size: "max" }),
  counted: fc.boolean(),
  trailers: fc.option(pairs, { nil: undefined }),
  interim: fc.array(fc.constantFrom(100, 100, 102, 103, 199), { maxLength: 2, size: "max" }),
  pulls: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
});

const responsesGiven = fc.array(given, { minLength: 1, maxLength: 3, size: "max" });

/** Lets the engine write these responses on one connection. @returns what left, and those that were asked for */
function write(all: readonly Given[]): { output: string; asked: Given[]; closed: boolean } {
  const driver = new Driver();
  let output = "";
  const asked: Given[] = [];
  driver.feed(
    all.map(({ method, minor }) => `${method} / HTTP/1.${minor}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`).join(""),
  );
  for (const response of all) {
    if (driver.connection.closing !== null) break;
    const { call } = driver;
    asked.push(response);
    const body = response.pieces.join("");
    for (const status of response.interim) call.inform(status, response.fields);
    call.respond(response.status, response.counted ? body.length : -1, response.fields, response.reason);
    response.pieces.forEach((piece, i) => {
      if (response.pulls[i]) output += driver.take();
      call.write(piece);
    });
    call.end(response.trailers);
    call.release();
  }
  output += driver.take();
  return { output, asked, closed: driver.connection.closing === "end" };
}

/** What a client reads of a response. */
interface Contents extends Omit<CompleteResponse, "get" | "interim"> {
  readonly interim: readonly Pick<CompleteResponse, "status" | "fields">[];
}

function contentsOf({ status, reason, fields, body, framing, trailers, interim }: CompleteResponse): Contents {
  const before = interim.map(({ status, fields }) => ({ status, fields }));
  return { status, reason, fields, body, framing, trailers, interim: before };
}

/** What a client should make of a response. */
function expected({ method, minor, status, reason, fields, pieces, counted, trailers, interim }: Given): Contents {
  const body = pieces.join("");
  const empty = method === "HEAD" || status === 204 || status === 304;
  const added: [string, string][] = [];
  let framing: Contents["framing"] = "none";
  if (status === 205) {
    added.push(["Content-Length", "0"]);
    framing = method === "HEAD" ? "none" : "counted";
  } else if (empty) {
    if (counted && status !== 204) added.push(["Content-Length", String(body.length)]);
  } else if (counted) {
    added.push(["Content-Length", String(body.length)]);
    framing = "counted";
  } else {
    framing = minor === 1 ? "chunked" : "until-close";
    if (minor === 1) added.push(["Transfer-Encoding", "chunked"]);
  }
  if (minor === 0) added.push(["Connection", framing === "until-close" ? "close" : "keep-alive"]);
  return {
    status,
    reason,
    fields: [...fields.map(([name, value]): [string, string] => [name, value]), ...added],
    body: empty || status === 205 ? "" : body,
    framing,
    trailers: framing === "chunked" ? (trailers ?? []).map(([name, value]): [string, string] => [name, value]) : [],
    interim:
      minor === 0 ? [] : interim.map((status) => ({ status, fields: fields.map(([name, value]) => [name, value]) })),
  };
}

/** Reads responds with Python's http.client: one line of JSON in, one out. */
const PYTHON = `
import base64, http.client, io, json, sys

class Stream(io.BytesIO):
    def close(self):  # http.client closes what it has read to the end; the next response stands behind it
        pass

class Socket:
    def __init__(self, stream):
        self.stream = stream
    def makefile(self, *args):
        return self.stream

for line in sys.stdin:
    case = json.loads(line)
    stream = Stream(base64.b64decode(case["data"]))
    responses = []
    try:
        for method in case["methods"]:
            response = http.client.HTTPResponse(Socket(stream), method=method)
            response.begin()
            responses.append([response.status, response.reason, response.getheaders(),
                            base64.b64encode(response.read()).decode(), response.will_close])
        result = {"responses": responses, "rest": len(stream.read())}
    except Exception as error:
        result = {"error": repr(error)}
    print(json.dumps(result), flush=True)
`;

describe("responses", () => {
  test("are read back as they were given", () => {
    fc.assert(
      fc.property(responsesGiven, (all) => {
        const { output, asked, closed } = write(all);
        const read = readResponses(
          output,
          asked.map(({ method }) => method),
          closed,
        );
        assert.deepEqual(read.map(contentsOf), asked.map(expected));
        assert.equal(asked.length === all.length || closed, true);
      }),
      { numRuns: runs(500) },
    );
  });

  const python = requireProgram("python3");
  let reader: ChildProcess | undefined;
  let lines: Interface | undefined;
  after(() => {
    lines?.close();
    reader?.stdin?.end();
  });

  test("are read back by Python's http.client", { skip: python.skip, timeout: 60_000 }, async () => {
    reader = spawn(python.path, ["-c", PYTHON], { stdio: ["pipe", "pipe", "inherit"] });
    const { stdin, stdout } = reader;
    lines = createInterface({ input: stdout! });
    const responses = lines[Symbol.asyncIterator]();
    await fc.assert(
      fc.asyncProperty(responsesGiven, async (all) => {
        // Of interim responses, http.client knows 100 alone.
        const { output, asked } = write(
          all.map((one) => ({ ...one, interim: one.interim.filter((status) => status === 100) })),
        );
        const methods = asked.map(({ method }) => method);
        stdin!.write(JSON.stringify({ methods, data: Buffer.from(output, "latin1").toString("base64") }) + "\n");
        const { value } = await responses.next();
        const result = JSON.parse(String(value)) as {
          responses?: [number, string, string[][], string, boolean][];
          error?: string;
        };
        assert.equal(result.error, undefined);
        assert.deepEqual(
          result.responses?.map(([status, reason, fields, body]) => ({
            status,
            reason,
            fields,
            body: Buffer.from(body, "base64").toString("latin1"),
          })),
          asked.map(expected).map(({ status, reason, fields, body }) => ({ status, reason, fields, body })),
        );
        assert.equal((result as { rest?: number }).rest, 0);
      }),
      { numRuns: runs(500) },
    );
    lines.close();
    stdin!.end();
    const [status] = (await once(reader, "exit")) as [number];
    assert.equal(status, 0);
  });
});

/** What handlers, peers and hosts may do, in any order. */
const STEPS = {
  // A handler's mistakes throw at these four, and only at these.
  respond: (driver, n) =>
    mistaken(() => driver.call.respond([200, 204, 304, 404][n % 4], [-1, 0, 5, 70_000][(n >> 2) % 4])),
  write: (driver, n) => mistaken(() => driver.call.write("x".repeat([1, 5, 300, 70_000][n % 4]))),
  end: (driver) => mistaken(() => driver.call.end([["A", "b"]])),
  inform: (driver) => mistaken(() => driver.call.inform(103)),
  demand: (driver) => driver.call.demand(),
  read: (driver, n) => driver.call.read(n),
  readAll: (driver) => driver.call.readAll(),
  flush: (driver) => driver.call.flush(),
  retract: (driver) => driver.call.retract(),
  closeConnection: (driver) => driver.call.exchange.closeConnection(),
  abort: (driver) => driver.call.abort(),
  release: (driver) => driver.call.release(),
  response: (driver) => mistaken(() => driver.call.response("hello")),
  feed: (driver, n) => driver.connection.wantsRead && driver.feed(PEER.slice(0, n), [n >> 1]),
  feedAll: (driver) => driver.connection.wantsRead && driver.feed(PEER),
  peerEnds: (driver) => driver.end(),
  // To a host that pulls only when it likes, these are one batch and all of them; to one that sends as soon as it is woken,
  // the network takes batches again.
  pull: (driver) => driver.pull(),
  take: (driver) => driver.take(),
  wait: (driver, n) => driver.later(n * 100),
  timeOut: (driver) => driver.connection.deadline < Infinity && driver.later(driver.remaining),
  stop: (driver) => driver.connection.stop(),
  shutdown: (driver, n) => driver.connection.shutdown(n < 100 ? 0 : n),
} satisfies Record<string, (driver: Driver, n: number) => unknown>;

const PEER =
  "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" +
  "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n" +
  "HEAD /3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
  "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n";

/** Makes the driver a host that sends as soon as it is woken, to a network that takes `most` batches and no more until asked. */
function sendWhenWoken(driver: Driver, most: number): void {
  const { connection } = driver;
  let [room, sending] = [most, false];
  const send = (): void => {
    if (sending) return;
    sending = true;
    while (room > 0 && connection.pull() !== null) room--;
    sending = false;
  };
  driver.whenWoken = (now) => now && send();
  driver.pull = () => ((room = 1), send(), null);
  driver.take = () => ((room = most), send(), "");
}

function mistaken(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    if (error instanceof assert.AssertionError || !(error instanceof Error) || !/^cannot|^an /.test(error.message))
      throw error;
  }
}

test("whatever handlers, peers and hosts do, in whatever order, nothing breaks and every promise to a sink is kept", () => {
  const all = Object.keys(STEPS) as (keyof typeof STEPS)[];
  const last = new Set(["abort", "release", "peerEnds", "timeOut", "wait", "stop", "shutdown"]); // behind which little happens
  const names = fc.oneof(
    { arbitrary: fc.constantFrom(...all.filter((name) => !last.has(name))), weight: 20 },
    { arbitrary: fc.constantFrom(...all), weight: 3 },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(names, fc.nat(300)), { maxLength: 60, size: "max" }), fc.nat(4), (steps, sends) => {
      // The promises themselves are held by the driver: see Call.
      const driver = new Driver({ maxDrainSize: 3 }).feed(announce(8) + "abc");
      if (sends > 0) sendWhenWoken(driver, sends);
      for (const [name, n] of steps) {
        const { call, connection } = driver;
        // A handler that has settled touches its exchange no more.
        if (call.settled && STEPS[name].toString().includes("driver.call")) continue;
        const { closing } = connection;
        STEPS[name](driver, n);
        assert.equal(typeof connection.wantsRead, "boolean");
        assert.ok(!Number.isNaN(connection.deadline));
        assert.ok(
          driver.calls.slice(0, -1).every(({ settled }) => settled),
          "one exchange runs at a time",
        );
        if (closing !== null) {
          assert.notEqual(connection.closing, null, "what closes stays closing");
          assert.equal(driver.call, call, "nothing is dispatched on what closes");
        }
      }
      driver.connection.lost({ kind: "closed" });
      assert.equal(driver.take(), "");
      if (!driver.call.settled) {
        assert.notEqual(driver.call.gone, null, "who has not settled is told");
        driver.call.release();
      }
    }),
    { numRuns: runs(2000) },
  );
});

test("one request of every kind that the generator makes", () => {
  // so that a generator that has become too tame is found out
  const seen = new Set<string>();
  for (const { data, message } of fc.sample(request, { numRuns: 1000, seed: 1 })) {
    seen.add(message.version);
    if (message.target === "*") seen.add("asterisk");
    if (/^http/i.test(message.target)) seen.add("absolute");
    if (message.method === "CONNECT") seen.add("authority");
    if (message.trailers !== null) seen.add("trailers");
    if (/Transfer-Encoding/.test(data) && message.body !== "") seen.add("chunked");
    if (/Content-Length/.test(data) && message.body !== "") seen.add("counted");
    if (/;[^\r]*="[^\r]*\\/.test(data)) seen.add("quoted extension");
    if (/Expect/.test(data)) seen.add("expect");
    if (data.startsWith("\r\n\r\n")) seen.add("empty lines");
  }
  assert.equal(seen.size, 11, [...seen].join());
});
