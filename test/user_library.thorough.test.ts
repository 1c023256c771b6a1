/**
 * TypeScript of users', compiled as they compile it: libraries that export what they make of this package's classes, with their
 * declarations, and handlers that say of which class their server is. The declarations are those that have been built.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { fromSources, root } from "./support/places.ts";
import { type Files, folderWith, runIn } from "./threads/support.ts";

const TSC = path.join(root, "node_modules", "typescript", "bin", "tsc");
const STRICT = {
  target: "es2022",
  module: "nodenext",
  strict: true,
  noImplicitOverride: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
};

/** Compiles everything in a folder. @returns what the compiler says */
async function compile(folder: string, options: Readonly<Record<string, unknown>>): Promise<string[]> {
  writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...STRICT, ...options } }));
  const { lines, stderr } = await runIn(folder, [TSC, "-p", "."]);
  assert.equal(stderr, "");
  return lines;
}

/** A folder whose files the compiler takes. */
async function compiled(
  t: Pick<TestContext, "after">,
  files: Files,
  options: Readonly<Record<string, unknown>>,
): Promise<string> {
  const folder = folderWith(t, files);
  assert.deepEqual(await compile(folder, options), []);
  return folder;
}

/** Mixins and classes without a name, over every class of this package. The compiler declares them by all of their members. */
const LIBRARY = `
import {
  BaseHTTPRequestHandler, HandledRequest, HTTPError, HTTPServer, MemoryTransport, PeerGoneError, ResponseCutError, Router,
  ThreadingHTTPServer, ThreadingMixIn,
} from "plinth";

export type Constructor<T> = new (...args: any[]) => T;

export function Timed<Base extends Constructor<BaseHTTPRequestHandler>>(Base: Base) {
  return class extends Base {
    static readonly kind = "timed";
    begun = 0;

    override setup() {
      this.begun = performance.now();
      return super.setup();
    }
  };
}
export function Counting<Base extends Constructor<HTTPServer>>(Base: Base) {
  return class extends Base {
    visits = 0;
  };
}
export const Asking = <Base extends Constructor<HandledRequest>>(Base: Base) => class extends Base { asked = 1; };
export const CountingThreads = <Base extends Constructor<ThreadingHTTPServer>>(Base: Base) => class extends Base { visits = 0; };
export const Finding = <Base extends Constructor<Router>>(Base: Base) => class extends Base { found = 0; };
export const Coded = <Base extends Constructor<HTTPError>>(Base: Base) => class extends Base { code = "CODE"; };

export const Handler = class extends BaseHTTPRequestHandler {
  do_GET() {
    this.sendText("hello");
  }
};
export const Server = class extends HTTPServer { visits = 0; };
export const Threads = class extends ThreadingHTTPServer { visits = 0; };
export const Routes = class extends Router { found = 0; };
export const Failure = class extends HTTPError { code = "CODE"; };
export const Gone = class extends PeerGoneError { code2 = "CODE"; };
export const Cut = class extends ResponseCutError { code = "CODE"; };
export const Memory = class extends MemoryTransport { used = 0; };

export class MyServer extends HTTPServer {
  readonly greeting: string = "hello";
}
export const MixedIn = ThreadingMixIn(MyServer);
export class MyThreads extends ThreadingMixIn(MyServer) {}
export const Mixed = class extends ThreadingMixIn(MyServer) { visits = 0; };
export const CountingMixedIn = ThreadingMixIn(Counting(HTTPServer));
export class TimedHandler extends Timed(Handler) {}
export default Timed(BaseHTTPRequestHandler);
`;

/** The same where each file is declared by itself: what it exports has types that can be seen. */
const ISOLATED = `
import { BaseHTTPRequestHandler, HTTPError, HTTPServer, Router, ThreadingHTTPServer, ThreadingMixIn, type ThreadingServerClass } from "plinth";

export type Constructor<T> = new (...args: any[]) => T;

export interface Timing {
  begun: number;
}
export function Timed<Base extends Constructor<BaseHTTPRequestHandler>>(Base: Base): Base & Constructor<Timing> {
  return class extends Base implements Timing {
    begun = 0;
  };
}

const Timely: typeof BaseHTTPRequestHandler & Constructor<Timing> = Timed(BaseHTTPRequestHandler);
export class Handler extends Timely {
  static module: string = import.meta.url;
  static bufferedBody = 1000;

  override get server(): MyServer {
    return super.server as MyServer;
  }

  do_GET(): void {
    this.sendText(\`\${this.server.greeting} \${this.begun}\`);
  }
}

export class MyServer extends HTTPServer {
  readonly greeting: string = "hello";
}
const Threading: ThreadingServerClass<typeof MyServer> = ThreadingMixIn(MyServer);
export class MyThreads extends Threading {}
export class Visits extends ThreadingHTTPServer {
  declare readonly threadData: Int32Array;
}
export class Routes extends Router {}
export class Failure extends HTTPError {}
`;

/** Who uses either, by its declarations. */
const USER = (library: string): string => `
import { BaseHTTPRequestHandler, HTTPServer, Router } from "plinth";
import * as library from "${library}";

class Handler extends library.Timed(BaseHTTPRequestHandler) {
  do_GET() {
    if (this.path !== "/") throw new library.Failure(410);
    this.sendText(String(this.begun >= 0));
  }
}
class Own extends library.MyServer {}

const address: [string, number] = ["127.0.0.1", 0];
const servers: HTTPServer[] = [
  new library.MyServer(address, Handler, { log: "none" }),
  new Own(address, new library.Routes({ "/": Handler }), { log: "none" }),
  new HTTPServer(address, library.Timed(Handler), { log: "none" }),
  new HTTPServer(address, new Router({ "/": library.Handler }, { fallback: Handler }), { log: "none" }),
];
const statuses: number[] = [];
for (const httpd of servers) {
  for (const path of ["/", "/other"]) statuses.push((await httpd.inject({ path })).status);
  await httpd.shutdown();
}
console.log(statuses.join());

export function refused(): void {
  new library.MyThreads(address, Handler, { threads: 1 }).greeting;
  // @ts-expect-error There is no such option.
  new library.MyThreads(address, Handler, { thread: 1 });
  // @ts-expect-error A class of something else.
  new library.MyServer(address, Date);
}
`;

/** Handlers that say of which class their server is, on the event loop and in threads. */
const TYPED = `
import { isMainThread } from "node:worker_threads";
import { BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer, ThreadingMixIn } from "plinth";

class CountingServer extends HTTPServer {
  visits = 0;
}
class Counting extends BaseHTTPRequestHandler {
  override get server() {
    return super.server as CountingServer;
  }

  do_GET() {
    const visits: number = ++this.server.visits;
    this.sendText(\`visit \${visits}, \${isMainThread ? "on the event loop" : "in a thread"}\`);
  }
}

class CountingThreads extends ThreadingMixIn(CountingServer) {}

class SharingServer extends ThreadingHTTPServer {
  declare readonly threadData: Int32Array;
}
class Sharing extends BaseHTTPRequestHandler {
  override get server() {
    return super.server as SharingServer;
  }

  do_GET() {
    this.sendText(\`visit \${Atomics.add(this.server.threadData, 0, 1) + 1}\`);
  }
}

class Accessing extends ThreadingHTTPServer {
  override get threadData(): { greeting: string } {
    return super.threadData as { greeting: string };
  }
}
class Greeting extends BaseHTTPRequestHandler {
  override get server() {
    return super.server as Accessing;
  }

  do_GET() {
    this.sendText(this.server.threadData.greeting);
  }
}

const address: [string, number] = ["127.0.0.1", 0];
const counted = new Int32Array(new SharedArrayBuffer(4));
const servers = [
  new CountingServer(address, Counting, { log: "none" }),
  new CountingThreads(address, Counting, { log: "none", threads: 1 }),
  new SharingServer(address, Sharing, { log: "none", threads: 2, threadData: counted }),
  new Accessing(address, Greeting, { log: "none", threads: 1, threadData: { greeting: "hello" } }),
];
for (const httpd of servers) await httpd.serverActivate();
for (const httpd of servers) {
  for (let i = 0; i < 2; i++) console.log(await (await fetch("http://127.0.0.1:" + httpd.serverAddress[1])).text());
  await httpd.shutdown();
}
console.log(counted[0]);
`;

/** What does not compile: a field would hide the server. */
const FIELDS = `
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

class CountingServer extends HTTPServer {
  visits = 0;
}
export class Declared extends BaseHTTPRequestHandler {
  // @ts-expect-error A field cannot take the place of an accessor.
  declare readonly server: CountingServer;
}
`;

// Declarations are there when it is built.
if (!fromSources) {
  for (const [name, text, options] of [
    ["with its declarations", LIBRARY, { declaration: true }],
    ["whose files are declared one by one", ISOLATED, { declaration: true, isolatedDeclarations: true }],
  ] as const) {
    test(`a library ${name} exports mixins and classes over those of this package, and its users use them`, async (t) => {
      const library = await compiled(t, { "library.ts": text }, options);
      const user = folderWith(t, { "user.ts": USER("library") });
      const installed = path.join(user, "node_modules", "library");
      mkdirSync(installed);
      for (const file of ["library.js", "library.d.ts"])
        writeFileSync(path.join(installed, file), readFileSync(path.join(library, file)));
      writeFileSync(path.join(installed, "package.json"), '{ "type": "module", "exports": "./library.js" }');
      assert.deepEqual(await compile(user, {}), []);
      const { lines, stderr } = await runIn(user, ["user.js"]);
      assert.deepEqual({ lines, stderr }, { lines: ["200,410,200,404,200,410,200,410"], stderr: "" });
    });
  }

  for (const useDefineForClassFields of [true, false]) {
    test(`a handler says of which class its server is, and what its threads were given (fields are ${useDefineForClassFields ? "defined" : "set"})`, async (t) => {
      const options = { useDefineForClassFields };
      const folder = await compiled(t, { "main.ts": TYPED, "fields.ts": FIELDS }, options);
      const { lines, stderr } = await runIn(folder, ["main.js"]);
      const counts = ["visit 1", "visit 2"];
      const expected = ["on the event loop", "in a thread"].flatMap((where) =>
        counts.map((count) => `${count}, ${where}`),
      );
      assert.deepEqual(lines, [...expected, ...counts, "hello", "hello", "2"], stderr);
      assert.equal(stderr, "");
    });
  }

  test("what the types allow and refuse, they do in what is published as well", async (t) => {
    const folder = folderWith(t, {});
    const types = path.join(root, "test", "types");
    for (const file of readdirSync(types)) writeFileSync(path.join(folder, file), readFileSync(path.join(types, file)));
    for (const name of ["zod", "@types"])
      symlinkSync(path.join(root, "node_modules", name), path.join(folder, "node_modules", name), "junction");
    const options = { lib: ["es2023", "esnext.disposable"], allowImportingTsExtensions: true, noEmit: true };
    assert.deepEqual(await compile(folder, options), []);
  });
}
