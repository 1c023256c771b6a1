/** Several event loops that accept on one port: what they share, what not, and how they end. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, MemoryTransport, ThreadingHTTPServer } from "plinth";
import { sharesPorts } from "../support/runtime.ts";
import { folderWith, runIn, runProgram } from "../threads/support.ts";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {
    this.sendText("here");
  }
}

const LOCAL = ["127.0.0.1", 0] as const;

/** A program whose handlers say which thread they run in. What stands behind this runs in the main thread alone. */
const PROGRAM = `
  import net from "node:net";
  import { isMainThread, threadId } from "node:worker_threads";
  import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

  let count = 0;
  class Handler extends BaseHTTPRequestHandler {
    do_GET() { this.sendText(threadId + " " + ++count + " " + this.server.serverAddress[1]); }
    async do_WAIT() { await new Promise((resolve) => setTimeout(resolve, 300)); this.sendText("waited"); }
    do_THROW() { setTimeout(() => { throw new Error("nobody catches"); }); this.sendText("thrown"); }
    /** Hears of the stop by an event; or looks, in an event loop that has no turn meanwhile. */
    async do_HEARS() {
      const { stopping } = this.server;
      await new Promise((resolve) => stopping.addEventListener("abort", resolve));
      this.sendText(threadId + " heard");
    }
    do_LOOKS() {
      if (isMainThread) return this.sendText("0 main"); // there, nobody could stop the server
      const { stopping } = this.server;
      const word = new Int32Array(new SharedArrayBuffer(4));
      while (!stopping.aborted) Atomics.wait(word, 0, 0, 5);
      this.sendText(threadId + " looked");
    }
    do_DOWN() { void this.server.shutdown(); this.sendText("down"); }
  }

  const log = [];
  const make = (options) => new HTTPServer(["127.0.0.1", 0], Handler, { listeners: 3, log: (line) => log.push(line), ...options });

  /** Asks on a connection of its own. Gives the content of the response; "" when it has been cut. */
  const ask = (httpd, method = "GET", head = method + " / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n") => new Promise((resolve) => {
    let text = "";
    const socket = net.connect(httpd.serverAddress[1], "127.0.0.1");
    socket.write(head);
    socket.on("data", (data) => (text += data)).on("error", () => {});
    socket.on("close", () => resolve(text.split("\\r\\n\\r\\n")[1] ?? ""));
  });

  /** Asks until a thread other than the main one has responded. */
  const askElsewhere = async (httpd) => {
    for (;;) {
      const [thread, number] = (await ask(httpd)).split(" ").map(Number);
      if (thread > 0) return [thread, number];
    }
  };
`;

describe("options", () => {
  const wrong: Record<string, [() => unknown, RegExp]> = {
    "no listener": [
      () => new HTTPServer(LOCAL, Handler, { listeners: 0 }),
      /^listeners must be a whole number .* not 0$/,
    ],
    "half of one": [() => new HTTPServer(LOCAL, Handler, { listeners: 1.5 }), /not 1\.5$/],
    "too many": [() => new HTTPServer(LOCAL, Handler, { listeners: 193 }), /from 1 to 192, not 193$/],
    "a Unix socket": [
      () => new HTTPServer("/tmp/never", Handler, { listeners: 2 }),
      /^a Unix socket has one listener, not 2/,
    ],
    "a transport of one's own": [
      () => new HTTPServer(LOCAL, Handler, { listeners: 2, transport: new MemoryTransport() }),
      /^listeners need the runtime's own transport/,
    ],
    "a threading server": [
      () => new ThreadingHTTPServer(LOCAL, Handler, { listeners: 2 }),
      /^a threading server accepts on one event loop/,
    ],
  };
  for (const [name, [make, message]] of Object.entries(wrong))
    test(name, () => assert.throws(make, { name: "RangeError", message }));

  test("one listener is the program's own", async (t) => {
    const httpd = new HTTPServer(LOCAL, Handler, { listeners: 1, log: "none" });
    t.after(() => httpd.serverClose());
    await httpd.serverActivate();
    assert.equal((await fetch(`http://127.0.0.1:${httpd.serverAddress[1]}/`)).status, 200);
  });
});

if (!sharesPorts) {
  test("where a port cannot be shared, a server that wants to says what would", async () => {
    for (const options of [{ listeners: 2 }, { reusePort: true }]) {
      const httpd = new HTTPServer(LOCAL, Handler, { log: "none", ...options });
      await assert.rejects(
        httpd.serverActivate(),
        /^Error: cannot listen on 127\.0\.0\.1:0: a port cannot be shared on Node .* Node 22\.12/,
      );
    }
  });
} else {
  test("servers that say reusePort share a port, and with no others", async (t) => {
    const servers = [1, 2, 3].map(() => new HTTPServer(LOCAL, Handler, { reusePort: true, log: "none" }));
    const [first] = servers;
    await first.serverActivate();
    const second = new HTTPServer(first.serverAddress, Handler, { reusePort: true, log: "none" });
    await second.serverActivate();
    t.after(() => [first, second].forEach((httpd) => httpd.serverClose()));
    const third = new HTTPServer(first.serverAddress, Handler, { log: "none" });
    await assert.rejects(third.serverActivate(), { code: "EADDRINUSE" });
  });

  describe("listeners", () => {
    test("one whose program never ends in its thread rejects the activation", async (t) => {
      const main = `${PROGRAM}
        if (!isMainThread) for (;;);
        const httpd = make({ startTimeout: 300 });
        await httpd.serverActivate().catch((error) => console.log(error.message));
        process.exit();`;
      const [line] = await runProgram(t, { "main.js": main });
      assert.match(
        line,
        /^cannot listen on 127\.0\.0\.1:0: the thread was not ready within 300 ms \(startTimeout\): the top level/,
      );
    });

    test("each responses, with module state of its own, at the same address; the log is the server's", async (t) => {
      const main = `${PROGRAM}
        const httpd = make();
        await httpd.serverActivate();
        const last = new Map();
        const ports = new Set();
        let asked = 0;
        while (last.size < 3) {
          const [thread, number, port] = (await ask(httpd)).split(" ").map(Number);
          if (number !== (last.get(thread) ?? 0) + 1) throw new Error("a count that is not its thread's: " + number);
          last.set(thread, number);
          ports.add(port);
          asked++;
        }
        console.log(ports.size, ports.has(httpd.serverAddress[1]));
        while (log.length < asked) await new Promise((resolve) => setTimeout(resolve, 1));
        console.log(log.every((line) => / "GET \\/ HTTP\\/1.1" 200 /.test(line)));
        await httpd.shutdown();
        console.log("ended");`;
      assert.deepEqual(await runProgram(t, { "main.js": main }), ["1 true", "true", "ended"]);
    });

    test("shutdown lets each finish what it does, and ends them", async (t) => {
      const main = `${PROGRAM}
        const httpd = make();
        const served = httpd.serveForever();
        await httpd.serverActivate();
        const responses = Array.from({ length: 30 }, () => ask(httpd, "WAIT"));
        await new Promise((resolve) => setTimeout(resolve, 100));
        await httpd.shutdown();
        await served;
        console.log(new Set(await Promise.all(responses)).size, (await responses[0]), (await ask(httpd)) === "");`;
      assert.deepEqual(await runProgram(t, { "main.js": main }), ["1 waited true"]);
    });

    test("a handler in any of them may shut the server down", async (t) => {
      const main = `${PROGRAM}
        const httpd = make({ listeners: 4 });
        const served = httpd.serveForever();
        await httpd.serverActivate();
        await askElsewhere(httpd);
        while ((await ask(httpd, "DOWN")) === "");
        await served;
        console.log("served");`;
      assert.deepEqual(await runProgram(t, { "main.js": main }), ["served"]);
    });

    test("handlers in each hear of the stop, and see it where their event loop has no turn", async (t) => {
      const main = `${PROGRAM}
        const httpd = make({ shutdownTimeout: 30_000 });
        await httpd.serverActivate();
        const hear = Array.from({ length: 30 }, () => ask(httpd, "HEARS"));
        await new Promise((resolve) => setTimeout(resolve, 300));
        const look = Array.from({ length: 30 }, () => ask(httpd, "LOOKS"));
        await new Promise((resolve) => setTimeout(resolve, 300));
        await httpd.shutdown();
        const heard = await Promise.all(hear);
        const looked = (await Promise.all(look)).filter((text) => text !== "0 main");
        console.log(new Set(heard).size, heard.every((text) => text.endsWith(" heard")));
        console.log(looked.length > 0 && looked.every((text) => text.endsWith(" looked")));`;
      assert.deepEqual(await runProgram(t, { "main.js": main }), ["3 true", "true"]);
    });

    test("shutdown while they start waits for no more than what has been asked, and all of that gets a response", async (t) => {
      const main = `${PROGRAM}
        for (const pause of [0, 20, 60, 100, 150, 200, 300]) {
          const httpd = make({ listeners: 4, shutdownTimeout: 60_000, drainTimeout: 1000 });
          const served = httpd.serveForever();
          while (httpd.serverAddress[1] === 0) await new Promise((resolve) => setTimeout(resolve, 1));
          const asked = Array.from({ length: 8 }, () => ask(httpd, "WAIT"));
          await new Promise((resolve) => setTimeout(resolve, pause));
          asked.push(...Array.from({ length: 8 }, () => ask(httpd, "WAIT")));
          const stops = Array.from({ length: 8 }, () => ask(httpd, "never", "GET / HT"));
          await new Promise((resolve) => setTimeout(resolve, 20)); // the connections stand
          await httpd.shutdown();
          await served;
          await Promise.all(stops);
          console.log((await Promise.all(asked)).filter((text) => text === "waited").length);
        }`;
      assert.deepEqual(await runProgram(t, { "main.js": main }), Array<string>(7).fill("16"));
    });

    for (const how of ["shutdown", "serverClose"]) {
      test(`${how} may come while they start`, async (t) => {
        const main = `${PROGRAM}
          for (const pause of [0, 5, 20, 50]) {
            const httpd = make({ shutdownTimeout: 60_000 }); // a timer that stays behind would keep the program
            const served = httpd.serveForever().then(() => "served", (error) => error.message);
            await new Promise((resolve) => setTimeout(resolve, pause));
            await httpd.${how}();
            console.log(await served);
          }`;
        assert.deepEqual(await runProgram(t, { "main.js": main }), Array<string>(4).fill("served"));
      });
    }

    test("what could not be activated may be tried again, at the address that was wanted", async (t) => {
      const main = `${PROGRAM}
        let httpd;
        if (isMainThread) {
          httpd = make();
          const [host, port] = httpd.serverAddress;
          await httpd.serverActivate().catch((error) => console.log(error.message.slice(0, 50)));
          console.log(host, port, ...httpd.serverAddress);
          httpd.serverClose();
        }`;
      const lines = await runProgram(t, { "main.js": main });
      assert.match(lines[0], /^cannot listen on 127\.0\.0\.1:\d+: a thread has not/);
      assert.equal(lines[1], "127.0.0.1 0 127.0.0.1 0");
    });

    test("serverClose cuts what runs in each", async (t) => {
      const main = `${PROGRAM}
        const httpd = make();
        const served = httpd.serveForever();
        await httpd.serverActivate();
        const responses = Array.from({ length: 30 }, () => ask(httpd, "WAIT"));
        await new Promise((resolve) => setTimeout(resolve, 100));
        httpd.serverClose();
        await served;
        console.log(new Set(await Promise.all(responses)).size, (await responses[0]) === "");`;
      assert.deepEqual(await runProgram(t, { "main.js": main }), ["1 true"]);
    });

    test("what the program says in its threads is nobody's business here", async (t) => {
      const main = `${PROGRAM}
        const { parentPort } = await import("node:worker_threads");
        for (const message of [0, null, "text", {}, { plinth: 0 }, [1]]) parentPort?.postMessage(message);
        const httpd = make({ listeners: 2 });
        await httpd.serverActivate();
        console.log((await askElsewhere(httpd)).length, log.filter((line) => !line.includes("GET")).join());
        await httpd.shutdown();`;
      assert.deepEqual(await runProgram(t, { "main.js": main }), ["2 "]);
    });

    test("one that ends is told in the log, and replaced; the others go on", async (t) => {
      const main = `${PROGRAM}
        if (isMainThread) process.on("uncaughtException", () => {});
        const httpd = make({ listeners: 2 });
        await httpd.serverActivate();
        const [before] = await askElsewhere(httpd);
        for (;;) {
          await ask(httpd, "THROW");
          await new Promise((resolve) => setTimeout(resolve, 20));
          if (log.some((line) => line.includes("has ended"))) break;
        }
        const again = await Promise.race([askElsewhere(httpd), new Promise((r) => setTimeout(r, 20000))]);
        console.log(again[0] > before, again[1]);
        console.log(log.find((line) => line.includes("has ended")).split("] ")[1].split("\\n")[0].replace(/\\[|\\]/g, ""));
        await httpd.shutdown();
        process.exit(0);`;
      const { status, lines } = await runIn(folderWith(t, { "main.js": main }), ["main.js"]);
      assert.deepEqual(
        [status, lines],
        [0, ["true 1", "a listener has ended, and its connections with it: Error: nobody catches"]],
      );
    });

    test("a class that names its file, on a plain server, needs the program no second time", async (t) => {
      const light = `
        import { BaseHTTPRequestHandler } from "plinth";
        export class Light extends BaseHTTPRequestHandler {
          static module = import.meta.url;
          do_GET() { this.sendText("light"); }
        }`;
      const main = `
        import { HTTPServer } from "plinth";
        import { Light } from "./light.js";
        console.log("once");
        const httpd = new HTTPServer(["127.0.0.1", 0], Light, { listeners: 3, log: "none", maxFields: 7 });
        await httpd.serverActivate();
        const url = "http://127.0.0.1:" + httpd.serverAddress[1];
        const responses = new Set();
        for (let i = 0; i < 20; i++) responses.add(await (await fetch(url, { headers: { Connection: "close" } })).text());
        console.log([...responses].join());
        await httpd.shutdown();`;
      assert.deepEqual(await runProgram(t, { "main.js": main, "light.js": light }), ["once", "light"]);
    });

    test("where the program constructs the server in its main thread only, activation says what to write", async (t) => {
      const main = `${PROGRAM}
        if (isMainThread) {
          const httpd = make();
          await httpd.serverActivate().catch((error) => console.log(error.message));
          console.log((await ask(httpd)) === "");
        }`;
      const lines = await runProgram(t, { "main.js": main });
      assert.match(
        lines[0],
        /^cannot listen on 127\.0\.0\.1:\d+: a thread has not found the handlers\. .*Construct it at the top level/,
      );
      assert.deepEqual(lines.slice(1), ["true"]);
    });

    test("which of several servers it is, is known by the order in which they are constructed", async (t) => {
      const main = `${PROGRAM}
        const first = make();
        const second = make();
        await second.serverActivate();
        await first.serverActivate();
        for (const httpd of [first, second]) {
          await askElsewhere(httpd);
          console.log((await ask(httpd)).endsWith(" " + httpd.serverAddress[1]));
        }
        await Promise.all([first.shutdown(), second.shutdown()]);`;
      assert.deepEqual(await runProgram(t, { "main.js": main }), ["true", "true"]);
    });
  });
}
