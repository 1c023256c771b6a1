/** Holds docs/PYTHON.md to its word: what it says is in Plinth is there, and what is in Python is in its tables. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { before, test, type TestContext } from "node:test";
import * as plinth from "plinth";
import * as protocol from "plinth/protocol";
import { page, quoted, rowsUnder, sections } from "./clients/http_server/page.ts";
import { Greeter } from "./clients/http_server/ported.ts";
import { run } from "./clients/seed.ts";
import { root } from "./support/places.ts";
import { requireProgram } from "./support/system.ts";

const python = requireProgram("python3");

/** The tables of classes, and the object that their middle column speaks of. */
const TABLES = {
  "socketserver.BaseServer": "server",
  "socketserver.TCPServer": "server",
  "http.server.HTTPServer": "server",
  "socketserver.ThreadingMixIn": "server",
  "Other classes of http.server": "server",
  "socketserver.BaseRequestHandler": "handler",
  "socketserver.StreamRequestHandler": "handler",
  "http.server.BaseHTTPRequestHandler": "handler",
  "headers, an http.client.HTTPMessage": "handler",
  "rfile and wfile, two of io.BufferedIOBase": "handler",
} as const;

const handlers: plinth.BaseHTTPRequestHandler[] = [];

class Handler extends plinth.BaseHTTPRequestHandler {
  do_GET(): void {
    void this.headers;
    handlers.push(this);
    this.sendText("");
  }
}

const httpd = new plinth.HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
/** It starts no thread before it serves. */
const threading = new plinth.ThreadingHTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
const https = new plinth.HTTPSServer(["127.0.0.1", 0], Handler, { certfile: "never read" });
const ofObject: Record<"server" | "handler", object> = { server: httpd, handler: Handler.prototype };

before(async () => {
  await httpd.inject();
  ofObject.handler = handlers[0];
});

/** The members of interfaces, as their sources declare them. */
function declared(file: string, ...interfaces: string[]): Set<string> {
  const text = readFileSync(path.join(root, "src", file), "utf8");
  return new Set(
    interfaces.flatMap((name) => {
      const [body] = new RegExp(`export interface ${name}\\b[^]*?\\n\\}`).exec(text)!;
      return [...body.matchAll(/^ {2}(?:readonly )?(\w+)(?=[?:(])/gm)].map(([, member]) => member);
    }),
  );
}

const options = new Set([
  ...declared("server/server_options.ts", "HTTPServerOptions"),
  ...declared("server/tls_options.ts", "CertificateOptions", "TLSOptions"),
  ...declared("protocol/limits.ts", "BodyLimits"),
  ...declared("protocol/limits.ts", "Limits"),
  ...declared("threads/shared/threading_options.ts", "ThreadingOptions"),
]);
/** What is behind them at run time has more than handlers are meant to call. */
const streams: Record<string, Set<string>> = {
  rfile: declared("handler/request_body.ts", "RequestBody"),
  wfile: declared("handler/response_body_interface.ts", "ResponseBody"),
};

/** The name that an expression is about: "rfile.read" of "await rfile.read(n)"; null where it is about none. */
function nameIn(code: string): string | null {
  return /^(?:await |new |\[\.\.\.)?((?:[a-zA-Z]\w*\.)*[a-zA-Z]\w*|\[Symbol\.\w+\])/.exec(code)?.[1] ?? null;
}

/** Whether an object, what it holds, or the package has a name. */
function has(object: object, name: string): boolean {
  if (name === "[Symbol.asyncDispose]") return Symbol.asyncDispose in object;
  if (options.has(name) || name in plinth || name in protocol) return true;
  const [stream, member] = name.split(".");
  if (member !== undefined && stream in streams) return streams[stream].has(member);
  let at: unknown = object;
  for (const part of name.split(".")) {
    if (typeof at !== "object" || at === null || !(part in at)) return false;
    at = (at as Record<string, unknown>)[part];
  }
  return true;
}

function camelCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The Python names of a row, without arguments: "read" of `rfile.read(n)`. */
function pythonNames(cell: string): string[] {
  return quoted(cell).map((code) => code.replace(/\(.*/, ""));
}

test("the declarations are read right", () => {
  for (const name of ["log", "requestQueueSize", "maxConnections", "maxBodySize", "headTimeout", "handlerTimeout"])
    assert.ok(options.has(name), name);
  assert.deepEqual([...streams["wfile"]], ["write", "writeSync", "flush", "stream"]);
  assert.deepEqual(
    [...streams["rfile"]],
    ["read", "read1", "readLine", "readInto1", "readSync", "read1Sync", "readInto1Sync", "readLineSync", "stream"],
  );
});

test("every table has three columns, and is known here", () => {
  for (const { heading, rows } of sections) {
    if (rows.length === 0) continue;
    if (heading === "Different responses" || heading === "Without counterpart") continue; // http_server.test.ts reads them
    assert.ok(heading in TABLES, `the table under "${heading}" is looked at by no test`);
    for (const row of rows) assert.equal(row.length, 3, row.join(" | "));
  }
});

test("what a table says is in Plinth is there", () => {
  for (const [heading, of] of Object.entries(TABLES)) {
    for (const [python, response] of rowsUnder(heading)) {
      if (response === "nothing" || response === "not there yet") continue;
      const names = quoted(response).map(nameIn);
      assert.ok(names.length > 0, `${heading}: ${python} has nothing in its second column`);
      for (const name of names) assert.ok(name !== null && has(ofObject[of], name), `${heading}: ${response}`);
    }
  }
});

test("what a table says is not in Plinth is not there under its own name either", () => {
  for (const [heading, of] of Object.entries(TABLES)) {
    for (const [python, response] of rowsUnder(heading)) {
      if (response !== "nothing" && response !== "not there yet") continue;
      for (const name of pythonNames(python).map(camelCase))
        assert.ok(!has(ofObject[of], name), `${heading}: ${name} is there, the table says ${response}`);
    }
  }
});

test("every name of ours anywhere on the page is one", () => {
  const text = page.replace(/^```[^]*?^```/gm, "");
  const known = [httpd, threading, https, ofObject.handler, new plinth.HTTPError(404, "", { problem: {} })];
  for (const code of quoted(text)) {
    // Python's names have underscores, and methods are anybody's.
    const name = /^[a-z]+[A-Z]\w*(?:\.\w+)*(?=$|\()/.exec(code)?.[0] ?? /^[rw]file\.\w+$/.exec(code)?.[0];
    if (name === undefined) continue;
    assert.ok(
      known.some((object) => has(object, name)),
      code,
    );
  }
});

/** Prints Python's public names as JSON: of each class, of a server and of a handler at work, and what the module exports. */
const LIST_NAMES = `
import http.client, http.server, inspect, json, socketserver, sys, threading

def public(thing):
    return sorted(name for name in dir(thing) if not name.startswith("_"))

def tables(of):
    return [f"{c.__module__}.{c.__name__}" for c in of.__mro__ if c is not object]

found = []

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        names = set(public(self)) - {"do_GET"}
        found.append({"tables": tables(http.server.BaseHTTPRequestHandler), "names": sorted(names)})
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass

httpd = http.server.HTTPServer(("127.0.0.1", 0), Handler)
found.append({"tables": tables(http.server.HTTPServer), "names": public(httpd)})
thread = threading.Thread(target=httpd.handle_request)
thread.start()
client = http.client.HTTPConnection("127.0.0.1", httpd.server_port, timeout=20)
client.request("GET", "/")
client.getresponse()
thread.join()
httpd.server_close()

for c in (
    socketserver.BaseServer, socketserver.TCPServer, http.server.HTTPServer, socketserver.ThreadingMixIn,
    http.server.ThreadingHTTPServer, socketserver.BaseRequestHandler, socketserver.StreamRequestHandler,
    http.server.BaseHTTPRequestHandler,
):
    arguments = [name for name in inspect.signature(c.__init__).parameters if name not in ("self", "args", "kwargs")]
    found.append({"tables": tables(c), "names": public(c) + arguments})
found.append({"tables": ["Other classes of http.server"], "names": http.server.__all__})
print(json.dumps({"version": sys.version_info[:2], "found": found}))
`;

test("every public name of Python's classes is in their tables, and no other", { skip: python.skip }, async (t) => {
  const { stdout } = await run(python.path, ["-c", LIST_NAMES]);
  const { version, found } = JSON.parse(stdout) as {
    version: [number, number];
    found: { tables: string[]; names: string[] }[];
  };
  const missing = new Set<string>();
  const inPython = new Set<string>();
  for (const { tables, names } of found) {
    const rows = tables.filter((heading) => heading in TABLES).flatMap(rowsUnder);
    assert.ok(rows.length > 0, tables.join());
    const inTables = new Set(rows.flatMap(([names]) => pythonNames(names)));
    for (const name of names) {
      inPython.add(name);
      if (!inTables.has(name)) missing.add(`${tables[0]}: ${name}`);
    }
  }
  if (version[0] > 3 || version[1] > 14) {
    if (missing.size > 0) t.diagnostic(`Python ${version.join(".")} has more: ${[...missing].join(", ")}`);
    return;
  }
  assert.deepEqual([...missing], []);
  if (version[1] < 11) return; // it lacks what came later
  const after311 = ["HTTPSServer", "ThreadingHTTPSServer"];
  for (const heading of Object.keys(TABLES).filter((heading) => /^(?:socketserver|http\.server)\./.test(heading))) {
    for (const name of rowsUnder(heading).flatMap(([names]) => pythonNames(names))) {
      assert.ok(name.startsWith("__") || inPython.has(name) || after311.includes(name), `Python has no ${name}`);
    }
  }
});

/** A source as the page shows it: without its first comment, and what only a test needs. */
function shown(file: string): string {
  const text = readFileSync(path.join(root, "test/clients/http_server", file), "utf8");
  return text
    .slice(text.indexOf("\n", text.indexOf(file.endsWith(".py") ? '"""' : "/**")) + 1)
    .replace("export ", "")
    .replace(/^(?:import \{|from http\.server import) ?BaseHTTPRequestHandler/m, "$&, HTTPServer")
    .trim();
}

test("the program on the page is the one that is run here, on both sides", () => {
  for (const file of ["ported.py", "ported.ts"]) assert.ok(page.includes(shown(file)), file);
});

test("both sides of it give the same answers", { skip: python.skip }, async (t) => {
  const ours = new plinth.HTTPServer(["127.0.0.1", 0], Greeter, { log: "none" });
  await ours.serverActivate();
  t.after(() => ours.serverClose());
  const ports = [ours.serverAddress[1], await startPython(t)];
  const requests: [path: string, init: RequestInit][] = [
    ["/", {}],
    ["/?name=Ada+Lovelace", {}],
    ["/?name=%C3%84nne&name=b", {}],
    ["/", { method: "POST", body: "Grace" }],
    ["/", { method: "POST", body: "", headers: { Accept: "text/html" } }],
  ];
  for (const [target, init] of requests) {
    const [response, expected] = await Promise.all(
      ports.map(async (port) => {
        const response = await fetch(`http://127.0.0.1:${port}${target}`, {
          ...init,
          headers: { ...init.headers, Connection: "close" },
        });
        const { status, statusText, headers } = response;
        const text = await response.text();
        return {
          status,
          statusText,
          type: headers.get("content-type")?.replace(/; ?/, ";"),
          server: headers.get("server")?.split(" ")[0], // Python names itself behind it
          says: status === 200 ? text : text.includes("Say whom to greet."),
        };
      }),
    );
    assert.deepEqual(response, expected, `${init.method ?? "GET"} ${target}`);
  }
});

/** Serves ported.py until the test ends. @returns its port */
async function startPython(t: TestContext): Promise<number> {
  const code = `
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from http.server import HTTPServer
from ported import Greeter
httpd = HTTPServer(("127.0.0.1", 0), Greeter)
print(httpd.server_port, flush=True)
httpd.serve_forever()
`;
  const child: ChildProcess = spawn(python.path, ["-c", code, path.join(root, "test/clients/http_server")], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const [line] = (await Promise.race([
    once(child.stdout!.setEncoding("utf8"), "data"),
    once(child, "exit").then(([status]) => assert.fail(`ported.py has ended, with status ${status}`)),
  ])) as [string];
  return Number(line);
}
