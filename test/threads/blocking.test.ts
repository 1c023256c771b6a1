/** Handlers that block: for content, for room, for whatever they compute. And how they hear that their client has left. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { HTTPServer } from "plinth";
import { type MemoryClient, post, postChunks, request, until } from "../server/support.ts";
import { BEGUN, Blocking, digest, ENDED, NOTED, pattern } from "./handlers.ts";
import { serve } from "./support.ts";
import { thoroughly } from "../support/thorough.ts";

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** A request with content in pieces of so many bytes, each a chunk; counted when there is one piece. */
function upload(path: string, content: Uint8Array, piece = content.length, trailers = ""): string {
  const text = latin1(content);
  if (piece >= text.length && trailers === "") return post(text).replace("/", path);
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += piece) pieces.push(text.slice(at, at + piece));
  return postChunks(pieces, trailers).replace("/", path);
}

/** Sends as much at a time as the server takes. */
async function sendAll(client: MemoryClient, text: string, piece = 40_000): Promise<void> {
  for (let at = 0; at < text.length; at += piece) await client.send(text.slice(at, at + piece));
}

/** Tells when a number that grows has done so, and not any more for a while. */
function resting(): (number: number) => boolean {
  let last = 0;
  let times = 0;
  return (number) => {
    times = number === last ? times + 1 : 0;
    last = number;
    return number > 0 && times > 20;
  };
}

const server = await serve({ after }, Blocking, { threads: 2 });

test("a handler line for line like Python's", async () => {
  const content = '{"val_a": 3, "val_b": 4}';
  const response = await server.connect().ask(post(content).replace("POST", "PUT"));
  assert.deepEqual(
    [response.status, response.get("content-type"), response.body],
    [200, "application/json", '{"sum":7}'],
  );
});

// Around the sizes of what crosses at once, of the rings, and of pieces.
const sizes = [0, 1, 5, 1000, 65_535, 65_536, 65_537, 131_072, 400_000];

describe("content is read", { concurrency: 4 }, () => {
  for (const size of sizes) {
    ([1, 1000, 131_072, 400_000].includes(size) ? thoroughly(test) : test)(
      `${size} bytes, all at once, in pieces and as they come, counted and chunked`,
      async () => {
        const content = pattern(size);
        for (const piece of [size, 997, 70_000]) {
          const client = server.connect();
          await sendAll(client, upload("/read", content, piece));
          assert.equal((await client.response("POST")).body, `${size} ${digest(content)} 0`);
          await sendAll(client, upload("/pieces/1000", content, piece));
          assert.equal((await client.response("POST")).body, `${digest(content)} ${size > 1000 ? 1000 : ""}`);
          for (const path of ["/some", "/into"]) {
            await sendAll(client, upload(path, content, piece));
            assert.equal((await client.response("POST")).body, digest(content), path);
          }
        }
      },
    );
  }

  test("byte by byte", async () => {
    const content = pattern(200);
    for (const path of ["/read", "/some", "/into", "/pieces/3"]) {
      const client = server.connect();
      const text = upload(path, content, 7).replace("Host: a", "Host: a\r\nExpect: 100-continue");
      for (const byte of text) await client.send(byte);
      const responses = (client.reading.responses, await client.responses(1));
      assert.ok(responses[0].body.includes(digest(content)), path);
    }
  });

  test("by lines, with a limit, and trailers behind", async () => {
    const content = Buffer.from("one\ntwo\n\nmuch longer than that\nlast");
    for (const piece of [1, 5, 100]) {
      const client = server.connect();
      await client.send(upload("/lines", content, piece, "Sum: 5\r\n"));
      const { body } = await client.response("POST");
      assert.deepEqual(JSON.parse(body), ["one\n", "two\n", "\n", "much longe", "r than tha", "t\n", "last", "5"]);
    }
  });

  test("by turns with reads that are awaited", async () => {
    for (const piece of [1, 4, 100]) {
      const client = server.connect();
      await client.send(upload("/mixed", Buffer.from("onetwothree\nfour\nthe rest"), piece));
      assert.deepEqual(JSON.parse((await client.response("POST")).body), [
        "one",
        "two",
        "three\n",
        "four\n",
        "the rest",
      ]);
    }
  });
});

describe("content is written", { concurrency: 4 }, () => {
  for (const [count, length] of [
    [0, 0],
    [1, 0],
    [1, 5],
    [100, 1],
    [3, 16_384],
    [1, 65_536],
    [20, 10_000],
    [2, 300_000],
    [1, 1_000_000],
  ]) {
    test(`${count} times ${length} bytes, announced and not`, async () => {
      for (const isAnnounced of [0, 1]) {
        const client = server.connect();
        const response = await client.ask(request("GET", `/write/${count}/${length}/${isAnnounced}`));
        assert.equal(digest(Buffer.from(response.body, "latin1")), digest(pattern(count * length)));
        if (isAnnounced === 1) assert.equal(response.framing, "counted");
      }
    });
  }

  test("and read meanwhile: what comes goes back, larger than any ring, trailers and all", async () => {
    for (const [size, piece] of [
      [10, 3],
      [300_000, 300_000],
      [300_000, 10_001],
    ]) {
      const content = pattern(size);
      const client = server.connect();
      const sent = sendAll(client, upload("/echo", content, piece, "Sum: 5\r\n"));
      client.methods = ["POST"];
      const [response] = await client.responses(1);
      await sent;
      assert.equal(digest(Buffer.from(response.body, "latin1")), digest(content));
      assert.deepEqual(response.trailers, [["Came-With", "5"]]);
    }
  });

  test("and leaves while the handler goes on, when it says so", async (t) => {
    const own = await serve(t, Blocking, { threads: 1 });
    const client = own.connect();
    await client.send(request("GET", "/slowly"));
    for (const text of ["0 ", "0 1 ", "0 1 2 "]) {
      await until(() => (client.reading, client.text.replaceAll(/^[^]*?\r\n\r\n|[0-9]\r\n|\r\n/g, "") === text), text);
      own.release(1);
    }
    assert.equal((await client.response()).body, "0 1 2 ");
  });
});

test("a client that does not read holds back what is written, in constant memory", async (t) => {
  const own = await serve(t, Blocking, { threads: 1 });
  const client = own.connect();
  await client.send(request("GET", "/write/1000/65536"));
  // The handler goes on for as long as it can: then so much is written, and no more.
  const rests = resting();
  await until(() => rests(own.words[NOTED]), "the handler to wait");
  const before = own.words[NOTED];
  assert.ok(own.words[NOTED] < 20, `${own.words[NOTED]} writes of 64 KiB`);
  await until(() => {
    client.client.takeBytes();
    return own.words[NOTED] > before;
  }, "the handler to go on");
  client.destroy();
  await until(() => own.httpd.stats().busy === 0, "the handler to end");
  assert.ok(own.words[NOTED] < 1000, "its writes throw");
});

thoroughly(test)("between requests the thread's event loop runs", async (t) => {
  const own = await serve(t, Blocking, { threads: 1 });
  await own.get("/ticks");
  let ticks = 0;
  await until(() => {
    void own.get("/ticks").then(({ body }) => (ticks = Number(body)));
    return ticks >= 3;
  }, "a timer of the thread's");
  // Nor do requests that follow each other closely, with always one that waits, keep it from that.
  const clients = Array.from({ length: 40 }, () => own.connect());
  for (const client of clients) await client.send(request("GET", "/ticks").repeat(10));
  const all = await Promise.all(clients.map((client) => client.responses(10)));
  const seen = new Set(all.flat().map(({ body }) => body));
  assert.ok(seen.size > 10, `the timer is starved: ${[...seen].join()}`);
});

thoroughly(test)(
  "the head of a response is the handler's, however large it is, and whatever its reason phrase",
  async () => {
    for (const size of [0, 1_000, 600_000, 1_200_000]) {
      for (const [status, reason, expected = reason] of [
        [200, "none", "OK"],
        [200, "OK"],
        [404, "OK"],
        [404, ""],
        [299, "none", ""],
        [299, "Fine"],
      ] as const) {
        const response = await server.connect().ask(request("GET", `/heads/${status}/${size}/${reason}`));
        const much = response.fields.map(([, value]) => value.match(/of it/g)?.length ?? 0).reduce((a, b) => a + b);
        assert.deepEqual([response.status, response.reason, response.body], [status, expected, "abc"]);
        assert.ok(Math.abs(6 * much - size) < 200, `${much} for ${size}`);
      }
    }
  },
);

describe("a client that leaves", () => {
  const faults = (log: readonly string[]): string[] => log.filter((line) => /Error|lost|ended|cannot/.test(line));
  const logged = (pattern: RegExp): Promise<void> =>
    until(() => server.log.some((line) => pattern.test(line)), `a line ${String(pattern)} in the log`);

  async function begin(text: string): Promise<MemoryClient> {
    server.reset();
    server.log.length = 0;
    const client = server.connect();
    await client.send(text);
    await server.wordIs(BEGUN, 1);
    return client;
  }

  async function settled(): Promise<void> {
    await server.wordIs(ENDED, 1);
    await until(() => server.httpd.stats().busy === 0, "the handler to settle");
    assert.deepEqual(faults(server.log), []);
    assert.equal((await server.get("/quick")).status, 200);
  }

  const asking = "POST /leftReading HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n";

  test("ends a read that blocks, with PeerGoneError, which is no fault", async () => {
    const client = await begin(asking);
    await client.send("part of it");
    client.destroy();
    await logged(/left: true closed undefined true$/);
    await settled();
  });

  for (const what of ["log", "informational"]) {
    test(`leaves the log whole where only a part of what the handler says has gone through (${what})`, async () => {
      const client = await begin(request("GET", `/leftSaying/${what}`));
      client.destroy();
      server.release();
      const line = /^[^ ]+ - - \[[^\]]+\] (left|of it|"GET)/;
      await logged(/left: 1200000, true$/);
      await settled();
      assert.deepEqual(
        server.log.filter((text) => !line.test(text)).map((text) => text.slice(0, 200)),
        [],
      );
      const much = server.log.find((text) => text.includes("of it"));
      assert.equal(much?.match(/of it /g)?.length, what === "log" ? 200_000 : undefined);
    });
  }

  test("so does one that is sent away for what it sends", async () => {
    const content = "x".repeat(70_000); // more than is waited for before there is a thread
    const client = await begin(postChunks([content]).replace("/", "/leftReading").slice(0, -"0\r\n\r\n".length));
    await client.send("no chunk\r\n");
    await logged(/left: true malformed CHUNK_SIZE_INVALID true$/);
    assert.equal((await client.response("POST")).status, 400);
    await settled();
  });

  // Large ones fill what there is room for, small ones never do: the event loop drops them as fast as they come.
  for (const size of [64 * 1024, 10]) {
    for (const method of ["writeSync", "write"]) {
      test(`ends a handler that writes ${size} bytes without an end (${method})`, async () => {
        const client = await begin(request("GET", `/leftWriting/${method}/${size}`));
        const rests = resting();
        if (size > 10) await until(() => rests(server.words[NOTED]), "the handler to wait");
        client.destroy();
        await logged(/left writing: closed, true, true$/);
        await settled();
      });
    }
  }

  test("ends a write that blocks, and the next one throws PeerGoneError, as every later one does", async () => {
    const client = await begin(request("GET", "/leftBlocked"));
    const rests = resting();
    await until(() => rests(server.words[NOTED]), "the handler to wait");
    client.destroy();
    await logged(/left blocked: closed, closed, true$/);
    await settled();
  });

  test("ends a handler that writes without waiting for room, whose memory does not grow then", async () => {
    const client = await begin(request("GET", "/leftFlooding"));
    client.destroy();
    await logged(/left flooding: true$/);
    await settled();
  });

  test("is seen by who computes and asks for it now and then", async () => {
    const client = await begin(request("GET", "/leftComputing"));
    client.destroy();
    await logged(/left: closed$/);
    await settled();
  });

  test("aborts the signal of who awaits", async () => {
    const client = await begin(request("GET", "/leftWaiting"));
    client.destroy();
    await logged(/left: false,false, true, closed$/);
    await settled();
  });

  test("may have left when it ended its side, which is told, and gets its response all the same", async () => {
    const client = await begin(request("GET", "/halfClosed"));
    await client.end();
    assert.equal((await client.response()).body, "true half-closed");
  });
});

test("a HEAD whose method blocks without an end is ended behind 64 KiB, and its connection kept", async (t) => {
  const own = await serve(t, Blocking, { threads: 1 });
  const client = own.connect();
  for (let i = 0; i < 3; i++) {
    const response = await client.ask(request("HEAD", "/leftWriting/writeSync/1000"));
    assert.equal(response.status, 200);
    await until(
      () => own.log.filter((line) => line.endsWith("left writing: head-only, true, true")).length === i + 1,
      "the handler to end",
    );
  }
  assert.equal(
    (await client.ask(request("HEAD", "/write/60/1000/0"))).get("content-length"),
    null,
    "it is sent at once",
  );
  assert.ok(!own.log.some((line) => line.includes("Error")), own.log.join("\n"));
});

test("on the event loop the same class may not block, and is told what to do", async () => {
  const log: string[] = [];
  const httpd = new HTTPServer(["memory", 80], Blocking, { log: (line) => log.push(line) });
  const refused = "handlers on the event loop must not block: serve the class with a ThreadingHTTPServer";
  for (const [path, message] of [
    ["/read", `cannot read: ${refused}, give it a static bufferedBody, or await a read`],
    ["/into", `cannot read: ${refused}, give it a static bufferedBody, or await a read`],
    ["/some", `cannot read: ${refused}, give it a static bufferedBody, or await a read`],
    ["/lines", `cannot read: ${refused}, give it a static bufferedBody, or await a read`],
    ["/write/1/1", `cannot write: ${refused}, or await a write`],
  ]) {
    assert.equal((await httpd.inject({ method: "POST", path, body: "content" })).status, 500);
    const line = log.find((line) => line.includes("Error: "));
    assert.ok(line?.includes(message), `${path}: ${JSON.stringify(log)}`);
    log.length = 0;
  }
  await httpd.shutdown();
});
