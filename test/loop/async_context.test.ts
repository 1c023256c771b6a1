/** AsyncLocalStorage: each request begins in the context of its server's start, whatever other requests have entered. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import {
  BaseHTTPRequestHandler,
  HTTPServer,
  type HTTPServerOptions,
  MemoryTransport,
  type RequestOutcome,
  ThreadingHTTPServer,
} from "plinth";
import { sharesPorts } from "../support/runtime.ts";
import { runProgram } from "../threads/support.ts";
import {
  Entering,
  EnteringAround,
  Limited,
  type Seen,
  storage,
  store,
  MAYBE_SEEN,
  UNSEEN,
  WAYS,
  WAYS_AROUND,
} from "./contexts.ts";
import { connect, Gate, MemoryClient, request, type SocketClient, turn, until } from "../server/support.ts";
import { thoroughly } from "../support/thorough.ts";

/** A client, over TCP or in memory. */
type Peer = SocketClient | MemoryClient;

/** Where requests come from and handlers run. */
interface Place {
  readonly name: string;
  /** What the server's start shows its handlers. */
  readonly start: string | null;
  serve(t: TestContext, Handler: typeof Entering, options?: HTTPServerOptions): Promise<() => Promise<Peer>>;
}

function overTcp(
  name: string,
  start: string | null,
  make: (...args: any[]) => HTTPServer,
  options: object = {},
): Place {
  return {
    name,
    start,
    async serve(t, Handler, more) {
      const httpd = make(["127.0.0.1", 0], Handler, { log: "none", ...options, ...more });
      t.after(() => httpd.serverClose());
      await storage.run("start", () => httpd.serverActivate());
      return () => connect(t, httpd.serverAddress);
    },
  };
}

const inMemory: Place = {
  name: "on the event loop, in memory",
  start: "start",
  async serve(t, Handler, more) {
    const transport = new MemoryTransport();
    const httpd = new HTTPServer(["memory", 80], Handler, { log: "none", transport, ...more });
    t.after(() => httpd.serverClose());
    await storage.run("start", () => httpd.serverActivate());
    return async () => new MemoryClient(transport);
  },
};

const makeThreading = (...args: ConstructorParameters<typeof ThreadingHTTPServer>): HTTPServer =>
  new ThreadingHTTPServer(...args);

const PLACES: readonly Place[] = [
  overTcp("on the event loop", "start", (...args: ConstructorParameters<typeof HTTPServer>) => new HTTPServer(...args)),
  inMemory,
  // A thread that imports only the handlers' file has nothing of the program's.
  overTcp("in one thread", null, makeThreading, { threads: 1 }),
  overTcp("in several threads", null, makeThreading, { threads: 3 }),
];

/** The request for a way, in pieces that are sent one after the other. */
function piecesOf(way: string, client: string): string[] {
  const target = `/${way}?${client}`;
  if (way !== "entersBehindContent") return [request("GET", target)];
  return [`POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\ncon`, "tent"];
}

async function ask(peer: Peer, way: string, client: string): Promise<Seen> {
  for (const piece of piecesOf(way, client)) {
    await peer.send(piece);
    await turn();
  }
  return seenIn((await peer.response()).body);
}

function seenIn(body: string): Seen {
  return JSON.parse(body.slice(body.lastIndexOf("{"))) as Seen;
}

for (const place of PLACES) {
  // The short run has one thread and the event loop over TCP.
  const testHere = place.name === "in several threads" || place.name.endsWith("in memory") ? thoroughly(test) : test;
  describe(place.name, () => {
    /** What a request must have seen. @param began where that is not as at the start */
    const check = (seen: Seen, way: string, client: string): void => {
      const began = way === "inSetup" ? client : place.start;
      let last = UNSEEN.includes(way) ? place.start : client;
      if (MAYBE_SEEN.includes(way) && seen.last === place.start) last = place.start;
      assert.deepEqual(seen, { first: place.start, began, last }, `${way}, ${client}`);
    };

    for (const [name, Handler, ways] of [
      ["a class", Entering, WAYS],
      ["a class with setup and finish", EnteringAround, [...WAYS, ...WAYS_AROUND]],
    ] as const) {
      testHere(`${name}: on one connection, one request after the other`, async (t) => {
        const peer = await (await place.serve(t, Handler))();
        for (const [i, way] of ways.entries()) {
          check(await ask(peer, way, `client ${i}`.replace(" ", "-")), way, `client-${i}`);
          check(await ask(peer, "nothing", "nobody"), "nothing", `behind ${way}`);
        }
      });

      testHere(`${name}: on one connection, sent together`, async (t) => {
        const peer = await (await place.serve(t, Handler))();
        const all = ways.flatMap((way) => [way, "nothing"]);
        await peer.send(all.map((way, i) => piecesOf(way, `client-${i}`).join("")).join(""));
        const responses = await peer.responses(all.length);
        for (const [i, way] of all.entries()) check(seenIn(responses[i].body), way, `client-${i}`);
      });

      testHere(`${name}: on connections of their own, one after the other and at once`, async (t) => {
        const another = await place.serve(t, Handler);
        for (const way of ways) {
          check(await ask(await another(), way, "alice"), way, "alice");
          check(await ask(await another(), "nothing", "bob"), "nothing", `behind ${way}`);
        }
        const together = ways.flatMap((way) => [way, "nothing", way]);
        const peers = await Promise.all(together.map(another));
        const all = await Promise.all(together.map((way, i) => ask(peers[i], way, `client-${i}`)));
        for (const [i, way] of together.entries()) check(all[i], way, `client-${i}`);
      });
    }
  });
}

describe("inject", () => {
  test("begins as any request does, not where it was called, and leaves nothing behind", async (t) => {
    const httpd = new HTTPServer(["127.0.0.1", 0], Entering, { log: "none" });
    t.after(() => httpd.serverClose());
    for (const way of WAYS) {
      const responses = await storage.run("caller", async () => {
        const asking = httpd.inject({ path: `/${way}?alice`, method: "POST", body: "content" });
        assert.equal(store(), "caller", `behind the call, ${way}`);
        const response = await asking;
        assert.equal(store(), "caller", `behind the response, ${way}`);
        return [response, await httpd.inject({ path: "/nothing" })];
      });
      const [seen, next] = responses.map(({ body }) => seenIn(body.toString()));
      assert.deepEqual([seen.first, seen.began], [null, null], way);
      if (!MAYBE_SEEN.includes(way)) assert.equal(seen.last, UNSEEN.includes(way) ? null : "alice", way);
      assert.deepEqual(next, { first: null, began: null, last: null }, `behind ${way}`);
      assert.equal(store(), null);
    }
  });

  test("sees what was there when the server was constructed, and once it serves, what was there then", async (t) => {
    const make = (): HTTPServer => new HTTPServer(["127.0.0.1", 0], Entering, { log: "none" });
    const httpd = storage.run("constructed", make);
    t.after(() => httpd.serverClose());
    const first = async (): Promise<string | null> => seenIn((await httpd.inject({ path: "/nothing" })).text()).first;
    assert.equal(await first(), "constructed");
    const serving = storage.run("served", () => httpd.serveForever());
    assert.equal(await first(), "served");
    await storage.run("activated once more", () => httpd.serverActivate());
    assert.equal(await first(), "served");
    await httpd.shutdown();
    await serving;
  });
});

test("a program that has entered nothing before its server's start: each request sees nothing, and what it enters itself", async (t) => {
  const main = `
    import { AsyncLocalStorage } from "node:async_hooks";
    import net from "node:net";
    import { once } from "node:events";
    import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

    const storage = new AsyncLocalStorage();
    class Handler extends BaseHTTPRequestHandler {
      first = storage.getStore();
      do_GET() {
        const began = storage.getStore();
        if (this.path !== "/") storage.enterWith(this.path);
        this.sendText("(" + [this.first, began, storage.getStore()].join() + ")");
      }
      async do_POST() {
        if (this.path !== "/") storage.enterWith(this.path);
        await this.rfile.read();
        this.do_GET();
      }
    }
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
    await httpd.serverActivate();

    const ask = async (texts) => {
      const socket = net.connect(httpd.serverAddress[1], "127.0.0.1");
      let said = "";
      socket.on("data", (data) => (said += data));
      for (const text of texts) {
        socket.write(text);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const count = texts.join("").split(" HTTP/1.1").length - 1;
      while (said.split(")").length <= count) await once(socket, "data");
      socket.destroy();
      console.log(said.match(/\\([^)]*\\)/g).join(""));
    };
    const get = (path) => "GET " + path + " HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n";
    const post = (path) => "POST " + path + " HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 1\\r\\n\\r\\nx";
    for (let i = 0; i < 2; i++) {
      await ask([get("/a"), get("/"), get("/b"), get("/")]);
      await ask([get("/a") + get("/") + get("/b") + get("/")]);
      await ask([post("/a") + post("/") + post("/b"), get("/")]);
      await ask([post("/a").slice(0, -1), "x" + get("/")]);
      storage.enterWith("late"); // by the program, behind the start
    }
    await httpd.shutdown();`;
  const [plain, awaiting] = ["(,,/a)(,,)(,,/b)(,,)", "(,/a,/a)(,,)(,/b,/b)(,,)"];
  const round = [plain, plain, awaiting, "(,/a,/a)(,,)"];
  assert.deepEqual(await runProgram(t, { "main.js": main }), [...round, ...round]);
});

test("what a server's start saw stays, whatever its program enters later", async (t) => {
  const httpd = new HTTPServer(["127.0.0.1", 0], Entering, { log: "none" });
  t.after(() => httpd.serverClose());
  await storage.run({ toString: () => "an object" } as unknown as string, async () => {
    storage.enterWith("before");
    await httpd.serverActivate();
    storage.enterWith("behind");
    const peer = await connect(t, httpd.serverAddress);
    for (let i = 0; i < 50; i++) assert.equal((await ask(peer, "nothing", "nobody")).first, "before");
  });
});

describe("what is called for a request, or for none", () => {
  /** Lines of the log that belong to a request, and to none, and what each was written in. */
  const logged = (lines: [line: string, store: string | null][], text: string): (string | null)[] =>
    lines.filter(([line]) => line.includes(text)).map(([, seen]) => seen);

  test("the log of a request is written in its context, that of the server in that of the start", async (t) => {
    const lines: [string, string | null][] = [];
    class Server extends HTTPServer {
      override logError(message: string, ...args: unknown[]): void {
        lines.push([`logError: ${message}`, store()]);
        super.logError(message, ...args);
      }
    }
    const httpd = new Server(["127.0.0.1", 0], Entering, { log: (line) => lines.push([line, store()]) });
    t.after(() => httpd.serverClose());
    await storage.run("start", () => httpd.serverActivate());
    const peer = await connect(t, httpd.serverAddress);
    const bad = "GET /bad HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n";
    const ways = WAYS.filter((way) => way !== "entersBehindContent").map((way) => [way, `of-${way}`]);
    await peer.send(ways.map(([way, client]) => request("GET", `/${way}?${client}`)).join("") + bad);
    await peer.endOfConnection();
    for (const [way, client] of ways) {
      const seen = logged(lines, `/${way}?`);
      if (MAYBE_SEEN.includes(way)) assert.ok(seen.length === 1 && ["start", client].includes(seen[0]!), way);
      else assert.deepEqual(seen, [UNSEEN.includes(way) ? "start" : client], way);
    }
    assert.deepEqual(logged(lines, "logError: %s refused"), ["start"]);
    assert.deepEqual(logged(lines, "] 127.0.0.1 refused: "), ["start"]);
  });

  test("the log of handlers in threads is written in the context of the start", async (t) => {
    const lines: [string, string | null][] = [];
    const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], Entering, {
      threads: 1,
      log: (line) => {
        lines.push([line, store()]);
        storage.enterWith("what a log has entered");
      },
    });
    t.after(() => httpd.serverClose());
    await storage.run("start", () => httpd.serverActivate());
    const ways = ["entersAtOnce", "entersBehindAnAwait", "entersAndFails"];
    for (const way of [...ways, ...ways]) await storage.run("caller", () => httpd.inject({ path: `/${way}?alice` }));
    await until(() => lines.length >= 2 * ways.length, "the lines");
    assert.deepEqual(new Set(lines.map(([, seen]) => seen)), new Set(["start"]));
  });

  test("a router that runs on the event loop for its threads is asked in the context of the start", async (t) => {
    const seen: (string | null)[] = [];
    const router = {
      handlers: [Limited],
      find: () => {
        seen.push(store());
        storage.enterWith("what a router has entered");
        return { Handler: Limited };
      },
    };
    const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], router, { threads: 1, log: "none" });
    t.after(() => httpd.serverClose());
    await storage.run("start", () => httpd.serverActivate());
    for (const body of ["", "content", "x".repeat(70_000)]) {
      const asking = storage.run("caller", () => httpd.inject({ path: "/nothing", method: "POST", body }));
      assert.equal((await asking).status, 200);
    }
    assert.deepEqual(new Set(seen), new Set(["start"]));
  });

  test("a handler that takes too long is responded for in the context of the start, its own hears of it in its own", async (t) => {
    const seen: [what: string, path: string, store: string | null][] = [];
    class Handler extends BaseHTTPRequestHandler {
      readonly first = store();

      async do_GET(): Promise<void> {
        const client = this.path.slice(1);
        storage.enterWith(client);
        await new Promise<void>((resolve) => {
          this.signal.addEventListener("abort", () => {
            seen.push(["abort", client, store()]);
            resolve();
          });
        });
      }

      override sendError(...args: Parameters<BaseHTTPRequestHandler["sendError"]>): void {
        seen.push(["late", this.path.slice(1), this.first], ["sendError", this.path.slice(1), store()]);
        storage.enterWith("what sendError has entered");
        super.sendError(...args);
      }

      override requestEnded(): void {
        seen.push(["requestEnded", this.path.slice(1), store()]);
      }
    }
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", handlerTimeout: 200 });
    t.after(() => httpd.serverClose());
    await storage.run("start", () => httpd.serverActivate());
    const clients = ["alice", "bob", "carol"];
    for (let round = 0; round < 2; round++) {
      seen.length = 0;
      const peers = await Promise.all(clients.map(() => connect(t, httpd.serverAddress)));
      await Promise.all(peers.map((peer, i) => peer.send(request("GET", `/${clients[i]}`))));
      for (const peer of peers) assert.equal((await peer.response()).status, 503);
      await until(() => seen.length === 4 * clients.length, "all to have been told");
      for (const client of clients) {
        const of = Object.fromEntries(
          seen.filter(([, path]) => path === client).map(([what, , which]) => [what, which]),
        );
        const ended = "what sendError has entered";
        assert.deepEqual(of, { abort: client, late: "start", sendError: "start", requestEnded: ended });
      }
    }
  });

  test("the end of a request is told in its context, also where another client's brings the news", async (t) => {
    const ends: [path: string, reason: string, store: string | null][] = [];
    const begun = new Gate();
    class Handler extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        storage.enterWith("reader");
        this.sendResponse(200);
        this.endHeaders();
        begun.open();
        while (!this.signal.aborted) await this.wfile.write("x".repeat(64 * 1024));
      }

      do_SHORT(): Promise<void> {
        return storage.run("short", async () => {
          await Promise.resolve();
          this.sendText("short");
        });
      }

      do_CLOSE(): void {
        storage.enterWith("closer");
        this.server.serverClose();
      }

      override requestEnded({ reason }: RequestOutcome): void {
        ends.push([this.method, reason, store()]);
      }
    }
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
    t.after(() => httpd.serverClose());
    await storage.run("start", () => httpd.serverActivate());
    const reader = await connect(t, httpd.serverAddress);
    reader.socket.pause();
    await reader.send(request("GET"));
    await begun.opened;
    const other = await connect(t, httpd.serverAddress);
    await other.ask(request("SHORT"));
    await other.send(request("CLOSE"));
    await until(() => ends.length === 3, "three ends");
    assert.deepEqual(
      ends.filter(([method]) => method !== "CLOSE"),
      [
        ["SHORT", "complete", "short"],
        ["GET", "shutdown", "reader"],
      ],
    );
  });

  test("an abort is heard in the context of the request whose client has left, whoever has closed it", async (t) => {
    const heard: (string | null)[] = [];
    const begun: Gate[] = [new Gate(), new Gate()];
    class Handler extends BaseHTTPRequestHandler {
      async do_WAIT(): Promise<void> {
        const client = this.path.slice(1);
        storage.enterWith(client);
        const { signal } = this;
        await new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => {
            heard.push(store());
            storage.enterWith("what a listener has entered");
            resolve();
          });
          begun[Number(client.slice(-1))].open();
        });
        heard.push(store());
      }

      do_CLOSE(): void {
        storage.enterWith("closer");
        this.server.serverClose();
      }
    }
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
    await httpd.serverActivate();
    t.after(() => httpd.serverClose());
    const first = await connect(t, httpd.serverAddress);
    await first.send(request("WAIT", "/client-0"));
    await begun[0].opened;
    first.destroy();
    await until(() => heard.length === 2, "the first to hear");
    const second = await connect(t, httpd.serverAddress);
    await second.send(request("WAIT", "/client-1"));
    await begun[1].opened;
    await (await connect(t, httpd.serverAddress)).send(request("CLOSE"));
    await until(() => heard.length === 4, "the second to hear");
    assert.deepEqual(heard, ["client-0", "client-0", "client-1", "client-1"]);
  });
});

/** A program that enters a store, serves, and asks itself on connections of their own. */
const PROGRAM = (server: string): string => `
  import { AsyncLocalStorage } from "node:async_hooks";
  import { BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer } from "plinth";

  const storage = new AsyncLocalStorage();
  class Handler extends BaseHTTPRequestHandler {
    do_GET() {
      const before = storage.getStore();
      storage.enterWith(this.path);
      this.sendText(before + " " + storage.getStore());
    }
    async do_POST() {
      const before = storage.getStore();
      await this.text();
      storage.enterWith(this.path);
      await new Promise((resolve) => setTimeout(resolve));
      this.sendText(before + " " + storage.getStore());
    }
  }

  storage.enterWith("constructed");
  const httpd = ${server};
  await null;
  storage.enterWith("started");
  await httpd.serverActivate();
  storage.enterWith("later");
  const seen = new Set();
  for (let i = 0; i < 40; i++) {
    const method = i % 2 === 0 ? "GET" : "POST";
    const { serverAddress: [, port] } = httpd;
    const init = { method, headers: { Connection: i % 4 < 2 ? "close" : "keep-alive" }, ...(method === "POST" ? { body: "x" } : {}) };
    const text = await (await fetch("http://127.0.0.1:" + port + "/" + i, init)).text();
    seen.add(text.replace("/" + i, "own"));
  }
  console.log([...seen].join());
  await httpd.shutdown();
  process.exit(0);
`;

test("a program's own store is there in each thread of handlers", async (t) => {
  const main = PROGRAM('new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { log: "none", threads: 2 })');
  assert.deepEqual(await runProgram(t, { "main.js": main }), ["started own"]);
});

if (sharesPorts) {
  test("a program's own store is there in each listener", async (t) => {
    const main = PROGRAM('new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", listeners: 3 })');
    assert.deepEqual(await runProgram(t, { "main.js": main }), ["started own"]);
  });
}
