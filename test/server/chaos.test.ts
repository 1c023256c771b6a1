/**
 * Handlers that do anything in any order, against peers that do: whatever they do to themselves, what goes over the wire stays
 * HTTP, a response that looks whole is whole, every handler comes to its end, and the server goes on.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { BaseHTTPRequestHandler } from "plinth";
import { GET, inMemory, type MemoryClient, microtask, turn } from "./support.ts";
import { runs } from "../support/thorough.ts";

/** What a handler may do, one after the other; each may be a mistake where it stands. */
type Step =
  | ["respond", number]
  | ["length", number]
  | ["end headers"]
  | ["write", number, awaited: boolean]
  | ["read", number, awaited: boolean]
  | ["flush" | "turn" | "microtask" | "trailer" | "inform" | "close" | "error" | "signal" | "throw"];

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant("respond" as const), fc.constantFrom(200, 200, 200, 204, 205, 304, 404, 500)),
  fc.tuple(fc.constant("length" as const), fc.constantFrom(0, 5, 20_000)),
  fc.tuple(fc.constant("end headers" as const)),
  fc.tuple(fc.constant("write" as const), fc.constantFrom(0, 1, 5, 5000, 20_000, 200_000), fc.boolean()),
  fc.tuple(fc.constant("read" as const), fc.constantFrom(-1, 0, 1, 5, 100_000), fc.boolean()),
  fc.tuple(
    fc.constantFrom("flush", "turn", "microtask", "trailer", "inform", "close", "error", "signal", "throw" as const),
  ),
) as fc.Arbitrary<Step>;

/** Mostly things in their right order, with anything in between: chance alone would seldom send a response. */
const script: fc.Arbitrary<Step[]> = fc
  .tuple(fc.array(step, { maxLength: 2 }), fc.boolean(), fc.array(step, { maxLength: 6 }))
  .map(([before, wellBegun, after]) => [
    ...before,
    ...(wellBegun ? ([["respond", 200], ["end headers"]] as Step[]) : []),
    ...after,
  ]);

interface Sent {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly version: "1.0" | "1.1";
  readonly body: number;
  readonly chunked: boolean;
  readonly steps: Step[];
}

const sent: fc.Arbitrary<Sent> = fc.record({
  method: fc.constantFrom("GET", "HEAD", "POST", "PUT"),
  version: fc.constantFrom("1.1", "1.1", "1.1", "1.0"),
  body: fc.constantFrom(0, 0, 5, 3000, 80_000),
  chunked: fc.boolean(),
  steps: script,
});

/** What a peer does with its bytes: sends some of them, reads what has come, lets time pass, and how it ends. */
const behaviour = fc.record({
  pieces: fc.array(
    fc.record({ size: fc.constantFrom(1, 7, 100, 5000, 1_000_000), reads: fc.boolean(), waits: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 12,
    },
  ),
  ending: fc.constantFrom("stays", "ends", "breaks off", "ends and breaks off"),
});

/** What a handler has written and how that went. */
interface Record {
  body: string;
  status: number;
  /** The length it has announced, or null. */
  length: number | null;
  headersEnded: boolean;
  /** A call has thrown, or the response was replaced. */
  mistaken: boolean;
  settled: boolean;
}

function bytesOf({ method, version, body, chunked }: Sent, index: number): string {
  const content = "x".repeat(body);
  const head = `${method} /${index} HTTP/${version}\r\nHost: a\r\n`;
  if (!chunked || version === "1.0")
    return `${head}Connection: keep-alive\r\nContent-Length: ${body}\r\n\r\n${content}`;
  const chunks = body === 0 ? "" : `${body.toString(16)}\r\n${content}\r\n`;
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
}

async function take(handler: BaseHTTPRequestHandler, [what, ...rest]: Step, record: Record): Promise<void> {
  const [first, awaited] = rest as [number, boolean];
  switch (what) {
    case "respond":
      handler.sendResponse(first);
      record.status = first;
      return;
    case "length":
      handler.sendHeader("Content-Length", first);
      record.length = first;
      return;
    case "end headers":
      handler.endHeaders();
      record.headersEnded = true;
      return;
    case "write": {
      const text = String.fromCharCode(97 + (record.body.length % 26)).repeat(first);
      const wait = handler.wfile.write(text);
      record.body += text;
      if (awaited) await wait;
      return;
    }
    case "read": {
      const reading = handler.rfile.read(first);
      if (awaited) await reading;
      return;
    }
    case "flush":
      return handler.wfile.flush();
    case "turn":
      return turn();
    case "microtask":
      return microtask();
    case "trailer":
      return handler.sendTrailer("X-Trailer", "1");
    case "inform":
      return handler.sendInformational(103, { Link: "<x>" });
    case "close":
      handler.closeConnection = true;
      return;
    case "error":
      record.mistaken = true; // what has been written may be gone
      return handler.sendError(418);
    case "signal":
      return handler.signal.throwIfAborted();
    case "throw":
      throw new Error("no");
  }
}

const brokenOff = new WeakSet<MemoryClient>();

function breakOff(peer: MemoryClient): void {
  brokenOff.add(peer);
  peer.destroy();
}

/** Whether what came over the wire is what the handlers have done. */
function check(peer: MemoryClient, requests: readonly Sent[], records: readonly Record[], isOver: boolean): void {
  peer.receive();
  // A server that refuses part of a head may not know that it was to be a HEAD, and then its response has content.
  const hasContent = !peer.text.endsWith("\r\n\r\n");
  peer.methods = requests.map(({ method }, i) => (records[i] === undefined && hasContent ? "GET" : method));
  const { responses, rest } = peer.reading; // fails where it is not HTTP
  const finals = responses.filter(({ status }) => status >= 200);
  assert.ok(finals.length <= requests.length, "more responses than requests");
  if (rest !== "")
    assert.ok(
      peer.ended || peer.closed || !isOver,
      `a connection hangs in the middle of a response: ${rest.slice(0, 200)}`,
    );
  for (const [i, response] of finals.entries()) {
    const record = records[i];
    const without = requests[i].method === "HEAD" || [204, 205, 304].includes(record?.status);
    // Otherwise it is not this handler's response, but what the server makes of its mistakes.
    const isGood =
      record?.settled === true &&
      record.headersEnded &&
      !record.mistaken &&
      (without || record.length === null || record.length === record.body.length) &&
      // What only the close ends may also have been ended by the peer's own.
      (response.framing !== "until-close" || !brokenOff.has(peer));
    if (!isGood) continue;
    assert.equal(response.status, record.status);
    assert.ok(response.body === (without ? "" : record.body), `response ${i + 1} has another body`);
  }
}

test("handlers that do anything, peers that do anything", async (t) => {
  let requests: readonly Sent[] = [];
  let records: Record[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async #run(): Promise<void> {
      if (this.path === "/") {
        this.sendResponse(200);
        return this.endHeaders();
      }
      const index = Number(this.path.slice(1));
      const record: Record = {
        body: "",
        status: 0,
        length: null,
        headersEnded: false,
        mistaken: false,
        settled: false,
      };
      records[index] = record;
      try {
        for (const one of requests[index].steps) await take(this, one, record);
      } catch (error) {
        record.mistaken = true;
        throw error;
      } finally {
        record.settled = true;
      }
    }

    do_GET(): Promise<void> {
      return this.#run();
    }

    do_POST(): Promise<void> {
      return this.#run();
    }

    do_PUT(): Promise<void> {
      return this.#run();
    }
  }
  const server = await inMemory(t, Handler, { maxBodySize: 1_000_000, informational: "always" });

  const property = fc.asyncProperty(
    fc.array(sent, { minLength: 1, maxLength: 4 }),
    behaviour,
    async (given, { pieces, ending }) => {
      requests = given;
      records = [];
      const peer = server.connect();
      const bytes = given.map(bytesOf).join("");
      let isSent = false;
      const sending = (async () => {
        let at = 0;
        for (const { size, reads, waits } of pieces) {
          await peer.send(bytes.slice(at, (at += size)));
          if (reads) check(peer, given, records, false);
          if (waits) await turn();
        }
        if (ending.startsWith("ends")) await peer.end();
        isSent = true;
        return at >= bytes.length;
      })();
      // One that reads nothing may not be able to send everything, for now.
      await Promise.race([sending, turn().then(turn)]);
      if (ending.endsWith("breaks off")) breakOff(peer);

      // From here on everything is read, until nothing more comes.
      for (let [turns, quiet, before] = [0, 0, -1]; quiet < 3; turns++) {
        await turn();
        check(peer, given, records, false);
        quiet = isSent && before === peer.text.length ? quiet + 1 : 0;
        before = peer.text.length;
        assert.ok(turns < 300, "the server does not take what is sent");
      }
      const isAll = await sending;
      check(peer, given, records, isAll || ending !== "stays");
      const settled = () => {
        for (const record of Object.values(records)) assert.ok(record.settled, "a handler does not come to its end");
      };
      if (isAll) settled(); // nothing is left to wait for
      peer.destroy();
      await turn();
      await turn();
      settled();

      const other = server.connect();
      await other.send(GET);
      await turn();
      assert.equal(other.reading.responses[0]?.status, 200, "the server goes on");
      other.destroy();
      server.log.length = 0;
    },
  );
  const seed = Number(process.env["PLINTH_TEST_SEED"] ?? 1);
  await fc.assert(property, { seed, numRuns: Number(process.env["PLINTH_TEST_RUNS"] ?? runs(500)) });
});
