// The protocol layer by itself, without sockets: how long each of its parts takes. Prints one line of JSON, nanoseconds by part.
//
//     node protocol.mjs MILLISECONDS        (how long each part is measured, behind half as long to warm up)
//     BENCH_PLINTH  another checkout, built; this one when left out
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/prepare.mjs";
import { browserHeads, chunkedContent, CHUNKS, smallHeads } from "./messages.mjs";

const checkout = process.env.BENCH_PLINTH ?? root;
const fromDist = (file) =>
  import(pathToFileURL(path.join(checkout, "dist", "src", "protocol", ...file.split("/"))).href);
const { ChunkPool, DEFAULT_LIMITS, FieldList, Http1Connection } = await fromDist("mod.js");
const { knownField } = await fromDist("fields.js");
const { HeadReader } = await fromDist("http1/request_head.js");
const { ChunkedReader } = await fromDist("http1/chunked_reader.js");
const { ReceiveBuffer } = await fromDist("receive_buffer.js");

const milliseconds = Number(process.argv[2]);
/** What comes out goes here, so that nothing is left out as useless. */
let sum = 0;

/** Reads each head in its place, as they stand one behind the other in a connection's buffer, and what every request is asked for. */
function heads({ bytes, ends }) {
  const reader = new HeadReader(DEFAULT_LIMITS);
  return {
    times: ends.length,
    run() {
      let start = 0;
      for (const end of ends) {
        if (reader.read(bytes, start, end) !== end - start)
          throw new Error(`a head was not read: ${reader.error?.message}`);
        const head = reader.take(bytes, start, end - start);
        sum += head.method.length + head.target.length + head.contentLength;
        start = end;
      }
    },
  };
}

function chunked(contents) {
  const to = new Uint8Array(64 * 1024);
  const input = new ReceiveBuffer();
  return {
    times: contents.length * CHUNKS,
    run() {
      for (const bytes of contents) {
        const reader = new ChunkedReader(DEFAULT_LIMITS);
        input.feed(bytes);
        let n;
        while ((n = reader.read(input, to, 0, to.length)) > 0) sum += n;
        if (n !== -1 || input.length > 0) throw new Error("content was not read to its end");
      }
    },
  };
}

/** A connection whose exchanges come to `start`. */
function connection(start) {
  const host = {
    info: { clientAddress: ["127.0.0.1", 12_345], alpn: null },
    now: 0,
    date: "Mon, 23 Nov 2026 12:00:00 GMT",
    start,
    wake() {},
    responseComplete() {},
    refused(error) {
      throw new Error(`a request was refused: ${error.message}`);
    },
  };
  return new Http1Connection(host, DEFAULT_LIMITS, new ChunkPool());
}

const SERVER = knownField("Server", "Plinth/0.1.0");
const DATED = Array.from({ length: 50 }, (_, i) => knownField("Date", `Mon, 23 Nov 2026 12:00:${10 + i} GMT`));

/** The three fields that a server sends with JSON. */
function responseFields(i) {
  const fields = new FieldList();
  fields.addField(SERVER);
  fields.addField(DATED[i % DATED.length]);
  fields.add("Content-Type", "application/json");
  return fields;
}

/** Responds, and takes the response back before it leaves: one exchange is enough. */
function responseHead() {
  let exchange;
  const one = connection((started) => (exchange = started));
  one.receive(Buffer.from("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
  return {
    times: 256,
    run() {
      for (let i = 0; i < 256; i++) {
        exchange.respond(200, "OK", responseFields(i), 9 + i);
        if (!exchange.retract()) throw new Error("a response could not be taken back");
      }
    },
  };
}

/** All of it: a request comes, its content is read, it gets a response, and that leaves. */
function exchange({ bytes, ends }) {
  const content = Buffer.from('{"sum":7}');
  const to = new Uint8Array(64);
  let i = 0;
  const one = connection((started) => {
    if (started.bodyLength > 0) {
      started.demand();
      sum += started.readInto(to, 0, to.length);
    }
    started.respond(200, "OK", responseFields(i++), content.length);
    started.write(content);
    started.end();
    started.release();
  });
  const requests = ends.map((end, at) => bytes.subarray(at === 0 ? 0 : ends[at - 1], end));
  return {
    times: requests.length,
    run() {
      for (const request of requests) {
        one.receive(request);
        const batch = one.pull();
        if (batch === null) throw new Error("a request got no response");
        sum += batch.length;
        one.recycle(batch);
      }
    },
  };
}

const parts = {
  "small head": heads(smallHeads()),
  "browser's head": heads(browserHeads()),
  "chunk of about 1 KiB": chunked(chunkedContent()),
  "response head": responseHead(),
  "whole exchange": exchange(smallHeads({ withContent: true })),
};

/** Nanoseconds of a core for one of a part's times: what others do on the core meanwhile does not count, collecting garbage does. */
function measure({ times, run }, forMilliseconds) {
  const end = performance.now() + forMilliseconds;
  const before = process.cpuUsage();
  let runs = 0;
  do {
    run();
    runs++;
  } while (performance.now() < end);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / (runs * times);
}

// All are warm before one is counted: none is measured in a form that another's shapes would undo.
for (const part of Object.values(parts)) measure(part, milliseconds / 2);
const nanoseconds = Object.fromEntries(
  Object.entries(parts).map(([name, part]) => [name, measure(part, milliseconds)]),
);
if (!(sum > 0)) throw new Error("nothing was read");
console.log(JSON.stringify(nanoseconds));
