/** Programs whose threads import them once more, as a user would write them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { startProgram } from "../examples/programs.ts";
import { connect, request, until } from "../server/support.ts";
import { programFile } from "../support/places.ts";
import { runsTypeScript, runtime, testOn, testOnNode } from "../support/runtime.ts";
import { thoroughly } from "../support/thorough.ts";
import { folderWith, runIn, runProgram } from "./support.ts";

/** The beginning of most programs. */
const IMPORTS = `import { BaseHTTPRequestHandler, HTTPServer, Router, ThreadingHTTPServer, ThreadingMixIn } from "plinth";
import { isMainThread, threadId } from "node:worker_threads";
`;

/** Serves, asks for each path, says what the responses were, and shuts down. */
const ASK = `
async function ask(httpd, ...paths) {
  await httpd.serverActivate();
  for (const path of paths) {
    const { status, text } = await httpd.inject({ path });
    console.log(path, status, status < 400 ? text() : "");
  }
  await httpd.shutdown();
}
`;

const OPTIONS = `{ log: "none", threads: 1 }`;

// Each is a process that waits for another one's threads: two at a time are done sooner.
describe("programs", { concurrency: 2 }, () => {
  test("the post's program needs one more word", async (t) => {
    const seed = readFileSync(programFile("examples/seed"), "utf8");
    assert.equal(seed.split("HTTPServer").length, 3, "once imported, once constructed");
    const tell =
      "void httpd.serverActivate().then(() => console.log(`http://127.0.0.1:${httpd.serverAddress[1]}/`));\n";
    const threaded = seed
      .replaceAll("HTTPServer", "ThreadingHTTPServer")
      .replace("await httpd.serveForever", `${tell}$&`);
    const { port, log } = await startProgram(t, path.join(folderWith(t, { "seed.js": threaded }), "seed.js"));
    const peer = await connect(t, ["127.0.0.1", port]);
    const content = '{ "val_a": 3, "val_b": 4 }';
    const sum = await peer.ask(`GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ${content.length}\r\n\r\n${content}`);
    assert.deepEqual([sum.status, sum.body], [200, '{"sum":7}']);
    assert.equal((await peer.ask(request("RICKROLL"))).body, "Never gonna give you up\n");
    await until(() => /"GET \/ HTTP\/1\.1" 200 [^]*"RICKROLL \/ HTTP\/1\.1" 200/.test(log()), "the log");
  });

  test("what stands behind serverActivate or serveForever runs once, and not in a thread", async (t) => {
    for (const call of ["serverActivate", "serveForever"]) {
      const main = `${IMPORTS}
        console.log("before", isMainThread);
        class Handler extends BaseHTTPRequestHandler {
          do_GET() { this.sendText(String(isMainThread)); }
        }
        const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { log: "none", threads: 2 });
        if (${call === "serveForever"} && isMainThread) {
          await httpd.serverActivate();
          setTimeout(() => httpd.shutdown(), 1);
        }
        await httpd.${call}();
        console.log("behind", isMainThread);
        await httpd.shutdown();`;
      const lines = await runProgram(t, { "main.js": main });
      assert.deepEqual(lines.sort(), ["before false", "before false", "before true", "behind true"], call);
    }
  });

  thoroughly(test)("a plain server beside it, constructed first and served later, is no matter", async (t) => {
    const main = `${IMPORTS}${ASK}
      class Handler extends BaseHTTPRequestHandler {
        do_GET() { this.sendText(\`\${isMainThread} \${this.server.constructor.name}\`); }
      }
      const plain = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
      const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], Handler, ${OPTIONS});
      await ask(httpd, "/");
      await ask(plain, "/");`;
    assert.deepEqual(await runProgram(t, { "main.js": main }), [
      "/ 200 false ThreadingHTTPServer",
      "/ 200 true HTTPServer",
    ]);
  });

  thoroughly(test)("several threading servers in a program: each one's threads find their own", async (t) => {
    const main = `${IMPORTS}${ASK}
      class Named extends BaseHTTPRequestHandler {
        do_GET() { this.sendText(\`\${this.constructor.name} \${this.server.constructor.name} \${this.server.threadData}\`); }
      }
      class A extends Named {}
      class B extends Named {}
      class First extends ThreadingMixIn(HTTPServer) {}
      class Second extends ThreadingMixIn(HTTPServer) {}
      const servers = [
        new First(["127.0.0.1", 0], A, { ...${OPTIONS}, threadData: 1 }),
        new First(["127.0.0.1", 0], B, { ...${OPTIONS}, threadData: 2 }),
        new Second(["127.0.0.1", 0], A, { ...${OPTIONS}, threadData: 3 }),
        new Second(["127.0.0.1", 0], new Router({ "/": B, "/a": A }), { ...${OPTIONS}, threadData: 4 }),
      ];
      await Promise.all(servers.map((httpd) => ask(httpd, "/")));`;
    const lines = await runProgram(t, { "main.js": main });
    assert.deepEqual(lines.sort(), ["/ 200 A First 1", "/ 200 A Second 3", "/ 200 B First 2", "/ 200 B Second 4"]);
  });

  test("a class that names its file is found there, by its name or as the default; the program is not imported", async (t) => {
    const light = `import { BaseHTTPRequestHandler } from "plinth";
      console.log("light");
      export class Named extends BaseHTTPRequestHandler {
        static module = import.meta.url;
        do_GET() { this.sendText("named"); }
      }
      export default class Standard extends BaseHTTPRequestHandler {
        static module = import.meta.url;
        do_GET() { this.sendText("default"); }
      }`;
    const nameless = light.replace(" Standard", "");
    const main = `${IMPORTS}${ASK}
      import Default, { Named } from "./light.js";
      import Nameless from "./nameless.js";
      console.log("main");
      await ask(new ThreadingHTTPServer(["127.0.0.1", 0], Named, ${OPTIONS}), "/1");
      await ask(new ThreadingHTTPServer(["127.0.0.1", 0], Default, ${OPTIONS}), "/2");
      await ask(new ThreadingHTTPServer(["127.0.0.1", 0], Nameless, ${OPTIONS}), "/3");`;
    const lines = await runProgram(t, { "main.js": main, "light.js": light, "nameless.js": nameless });
    assert.deepEqual(lines.sort(), [
      "/1 200 named",
      "/2 200 default",
      "/3 200 default",
      ...Array<string>(5).fill("light"),
      "main",
    ]);
  });

  thoroughly(test)("a file that a class has only inherited is not where it is", async (t) => {
    const light = `import { BaseHTTPRequestHandler } from "plinth";
      export class Handler extends BaseHTTPRequestHandler {
        static module = import.meta.url;
        do_GET() { this.sendText("light"); }
      }`;
    const main = `${IMPORTS}${ASK}
      import { Handler as Light } from "./light.js";
      class Handler extends Light {
        do_GET() { this.sendText("main"); }
      }
      await ask(new ThreadingHTTPServer(["127.0.0.1", 0], Handler, ${OPTIONS}), "/");`;
    assert.deepEqual(await runProgram(t, { "main.js": main, "light.js": light }), ["/ 200 main"]);
  });

  thoroughly(test)("a class that a program exports is found, though the program serves only as itself", async (t) => {
    for (const condition of ["isMainThread", "process.argv[1] === fileURLToPath(import.meta.url)"]) {
      const main = `${IMPORTS}${ASK}
        import { fileURLToPath } from "node:url";
        export class Handler extends BaseHTTPRequestHandler {
          do_GET() { this.sendText(String(isMainThread)); }
        }
        if (${condition}) await ask(new ThreadingHTTPServer(["127.0.0.1", 0], Handler, ${OPTIONS}), "/");`;
      assert.deepEqual(await runProgram(t, { "main.js": main }), ["/ 200 false"], condition);
    }
  });

  test("classes behind a Router are found in the program, in files of their own, and in both", async (t) => {
    const light = `import { BaseHTTPRequestHandler } from "plinth";
      export class Light extends BaseHTTPRequestHandler {
        static module = import.meta.url;
        do_GET() { this.sendText("light " + JSON.stringify([...this.pathParams])); }
      }`;
    const Main = `class Main extends BaseHTTPRequestHandler {
      do_GET() { this.sendText("main " + JSON.stringify([...this.pathParams])); }
    }`;
    const head = `${IMPORTS}${ASK}import { Light } from "./light.js";`;
    const serve = (First: string, before = ""): string => `
      const router = new Router({ "/main/:name": ${First}, "/light/:id?": Light });
      const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], router, ${OPTIONS});
      ${before}
      await ask(httpd, "/main/%C3%A9", "/light/5", "/light", "/nowhere");`;
    // Where it does not listen yet, its threads are only started for the request.
    const early = `console.log((await httpd.inject({ path: "/light/6" })).text());`;
    const programs = {
      constructed: `${head} ${Main} ${serve("Main")}`,
      exported: `${head} export ${Main} if (isMainThread) { ${serve("Main")} }`,
      "exported, injected into early": `${head} export ${Main} if (isMainThread) { ${serve("Main", early)} }`,
      apart: `${head} ${serve("Light")}`,
      "apart, injected into early": `${head} ${serve("Light", early)}`,
    };
    for (const [name, main] of Object.entries(programs)) {
      const first = name.startsWith("apart") ? "light" : "main";
      assert.deepEqual(
        await runProgram(t, { "main.js": main, "light.js": light }),
        [
          ...(name.endsWith("early") ? ['light [["id","6"]]'] : []),
          `/main/%C3%A9 200 ${first} [["name","é"]]`,
          '/light/5 200 light [["id","5"]]',
          "/light 200 light []",
          "/nowhere 404 ",
        ],
        name,
      );
    }
  });

  thoroughly(test)("a Router in threads responds 404, 405, 501 and OPTIONS as it does on the event loop", async (t) => {
    const light = `import { BaseHTTPRequestHandler } from "plinth";
      export class Light extends BaseHTTPRequestHandler {
        static module = import.meta.url;
        do_GET() { this.sendText("light"); }
      }
      export class Other extends BaseHTTPRequestHandler {
        static module = import.meta.url;
        do_PUT() { this.sendText("other"); }
      }
      export class Rest extends BaseHTTPRequestHandler {
        static module = import.meta.url;
        do_GET() { this.sendText("rest of " + this.path); }
      }`;
    const main = `${IMPORTS}
      import { Light, Other, Rest } from "./light.js";
      const responses = [];
      for (const Server of [HTTPServer, ThreadingHTTPServer]) {
        for (const options of [{}, { fallback: Rest }]) {
          const httpd = new Server(["127.0.0.1", 0], new Router({ "/": Light, "/other": Other }, options), { log: "none" });
          const list = [];
          for (const line of ["GET /", "PUT /", "OPTIONS /", "BREW /", "GET /none", "PUT /none", "BREW /none", "OPTIONS *", "HEAD /other"]) {
            const [method, path] = line.split(" ");
            const { status, headers, text } = await httpd.inject({ method, path });
            list.push([line, status, headers.get("allow"), text()]);
          }
          await httpd.shutdown();
          responses.push(JSON.stringify(list));
        }
      }
      console.log(responses[0] === responses[2], responses[1] === responses[3]);
      console.log(JSON.parse(responses[2]).map(([, status]) => status).join());
      if (responses[0] !== responses[2] || responses[1] !== responses[3]) console.log(responses.join("\\n"));`;
    const lines = await runProgram(t, { "main.js": main, "light.js": light });
    assert.deepEqual(lines, ["true true", "200,405,204,501,404,404,501,204,405"]);
  });

  test("a server class of one's own, with fields and members, is mixed in and is what a handler sees", async (t) => {
    const main = `${IMPORTS}${ASK}
      class Base extends HTTPServer {
        started = performance.timeOrigin;
        #secret = "secret";
        get server() { return "its own"; }
        secret(who) { return this.#secret + " for " + who; }
        constructor(address, handler, options) {
          super(address, handler, options);
          this.label = this.serverAddress.length === 2 && !this.stopping.aborted ? "labelled" : "not";
        }
      }
      class Server extends ThreadingMixIn(Base) {
        static greeting = "hello";
        extra = "extra";
      }
      class Handler extends BaseHTTPRequestHandler {
        do_GET() {
          const { server } = this;
          this.sendText([server instanceof Server, server instanceof HTTPServer, server.server, server.secret("it"), server.label,
            server.extra, server.constructor.greeting, typeof server.started].join());
        }
      }
      await ask(new Server(["127.0.0.1", 0], Handler, ${OPTIONS}), "/");`;
    assert.deepEqual(await runProgram(t, { "main.js": main }), [
      "/ 200 true,true,its own,secret for it,labelled,extra,hello,number",
    ]);
  });

  thoroughly(test)("arguments, environment and options of Node are those of the program", async (t) => {
    const main = `${IMPORTS}${ASK}
      class Handler extends BaseHTTPRequestHandler {
        do_GET() { this.sendText(JSON.stringify([process.argv, process.env.PLINTH_OF_TEST, process.execArgv])); }
      }
      process.env.PLINTH_OF_TEST = "set";
      console.log(JSON.stringify([process.argv, process.env.PLINTH_OF_TEST, process.execArgv]));
      await ask(new ThreadingHTTPServer(["127.0.0.1", 0], Handler, ${OPTIONS}), "/");`;
    const folder = folderWith(t, { "main.js": main });
    const options = runtime === "deno" ? [] : ["--enable-source-maps"]; // there the process sees none
    const { status, lines } = await runIn(folder, [...options, "main.js", "--port", "5 6"]);
    assert.equal(status, 0);
    const [expected] = lines;
    assert.ok(expected.endsWith(`main.js","--port","5 6"],"set",${JSON.stringify(options)}]`), expected);
    // What a thread writes to stdout may come late.
    assert.deepEqual(lines.sort(), [`/ 200 ${expected}`, expected, expected].sort());
  });

  thoroughly(test)(
    "this.server in a thread: where it listens, what threads were given, what they do; and nothing that only the other end can do",
    async (t) => {
      const main = `${IMPORTS}${ASK}
      class Handler extends BaseHTTPRequestHandler {
        async do_GET() {
          const { server } = this;
          const tell = (error) => error.message;
          const [host, port] = server.serverAddress;
          const shared = server.threadData.shared;
          Atomics.add(new Int32Array(shared), 0, 1);
          server.threadData.own++;
          this.sendText([host, port === Number(this.path.slice(1)), server.threadData.own, server.threadData.map.get("a"),
            await server.inject().catch(tell), server.stats().busy + " busy",
            server.RequestHandlerClass === Handler].join("|"));
        }
      }
      const shared = new SharedArrayBuffer(4);
      const threadData = { shared, own: 0, map: new Map([["a", "b"]]) };
      const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { ...${OPTIONS}, threadData });
      await httpd.serverActivate();
      const path = "/" + httpd.serverAddress[1];
      for (let i = 0; i < 2; i++) console.log((await httpd.inject({ path })).text());
      console.log(new Int32Array(shared)[0], threadData.own, httpd.threadData === threadData, httpd.stats().done);
      await httpd.shutdown();`;
      const said = "a server that was constructed in a thread of handlers does not serve|1 busy";
      assert.deepEqual(await runProgram(t, { "main.js": main }), [
        `127.0.0.1|true|1|b|${said}|true`,
        `127.0.0.1|true|2|b|${said}|true`,
        "2 0 true 2",
      ]);
    },
  );

  // Deno wants a file's whole name.
  testOn("node", "bun")("a program is found as Node finds it: without its extension, or by its folder", async (t) => {
    const main = `${IMPORTS}${ASK}
      class Handler extends BaseHTTPRequestHandler {
        do_GET() { this.sendText("found"); }
      }
      await ask(new ThreadingHTTPServer(["127.0.0.1", 0], Handler, ${OPTIONS}), "/");`;
    const json = '{ "type": "module", "main": "main.js" }';
    const folder = folderWith(t, { "main.js": main, "package.json": json });
    for (const args of [["main"], ["."]]) {
      assert.deepEqual((await runIn(folder, args)).lines, ["/ 200 found"], args.join(" "));
    }
  });

  thoroughly(testOnNode)("a loader that runs a program runs it in threads, too", async (t) => {
    const main = `import { BaseHTTPRequestHandler, ThreadingHTTPServer } from "plinth";
      import { Light } from "./light.js";
      clazz Handler extends BaseHTTPRequestHandler {
        do_GET() { this.sendText("translated"); }
      }
      for (const httpd of [Light, Handler].map((Class) => new ThreadingHTTPServer(["127.0.0.1", 0], Class, ${OPTIONS}))) {
        await httpd.serverActivate();
        console.log((await httpd.inject()).text());
        await httpd.shutdown();
      }`;
    const light = `import { BaseHTTPRequestHandler } from "plinth";
      export clazz Light extends BaseHTTPRequestHandler {
        static module = import.meta.url;
        do_GET() { this.sendText("light"); }
      }`;
    const hooks = `export async function load(url, context, next) {
      const found = await next(url, context);
      return { ...found, source: found.source && String(found.source).replace("clazz", "class") };
    }`;
    const loader = `import { register } from "node:module"; register("./hooks.js", import.meta.url);`;
    const files = { "main.js": main, "light.js": light, "hooks.js": hooks, "loader.js": loader };
    const { lines, stderr } = await runIn(folderWith(t, files), [
      "--no-warnings",
      "--import",
      "./loader.js",
      "main.js",
    ]);
    assert.deepEqual({ lines, stderr }, { lines: ["light", "translated"], stderr: "" });
  });

  // Node strips types from 22.18 on; where it does not, nothing is skipped but the program.
  if (runsTypeScript) {
    test("a program in TypeScript runs as it is", async (t) => {
      const main = `import { BaseHTTPRequestHandler, type RequestHandlerClass, ThreadingHTTPServer } from "plinth";
        import { isMainThread } from "node:worker_threads";
        import { Light } from "./light.ts";
        export class Handler extends BaseHTTPRequestHandler {
          do_GET(): void { this.sendText("typed" as string); }
        }
        async function run(Class: RequestHandlerClass): Promise<void> {
          const httpd: ThreadingHTTPServer = new ThreadingHTTPServer(["127.0.0.1", 0], Class, ${OPTIONS});
          console.log((await httpd.inject()).text());
          await httpd.shutdown();
        }
        if (isMainThread) for (const Class of [Handler, Light]) await run(Class);`;
      const light = `import { BaseHTTPRequestHandler } from "plinth";
        export class Light extends BaseHTTPRequestHandler {
          static module: string = import.meta.url;
          do_GET(): void { this.sendText("light"); }
        }`;
      const { lines, stderr } = await runIn(folderWith(t, { "main.ts": main, "light.ts": light }), ["main.ts"]);
      assert.deepEqual(lines, ["typed", "light"], stderr);
    });
  }
});
