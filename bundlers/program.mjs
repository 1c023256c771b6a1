// A user's program, to be bundled: asks a server of each kind, and prints what became of it, as JSON.
import { BaseHTTPRequestHandler, HTTPError, HTTPServer, Router, ThreadingHTTPServer } from "plinth";
import { isMainThread } from "node:worker_threads";

class Handler extends BaseHTTPRequestHandler {
  async do_POST() {
    const { a, b } = await this.json();
    if (typeof a !== "number") throw new HTTPError(422, { detail: "no number" });
    this.sendJson({ sum: a + b, apart: !isMainThread });
  }
}

class Threaded extends Handler {}
class Listening extends Handler {}

const address = ["127.0.0.1", 0];
const servers = {
  loop: new HTTPServer(address, new Router({ "/:name": Handler }), { log: "none" }),
  threads: new ThreadingHTTPServer(address, Threaded, { threads: 1, log: "none" }),
  listeners: new HTTPServer(address, Listening, { listeners: 2, log: "none" }),
};

async function ask(httpd, body) {
  const url = `http://127.0.0.1:${httpd.serverAddress[1]}/add`;
  const response = await fetch(url, { method: "POST", body, headers: { Connection: "close" } });
  return `${response.status} ${await response.text()}`;
}

async function main() {
  const became = {};
  for (const [name, httpd] of Object.entries(servers)) {
    try {
      await httpd.serverActivate();
      became[name] = [await ask(httpd, '{"a":1,"b":2}'), await ask(httpd, '{"a":"1"}')];
    } catch (error) {
      became[name] = String(error);
    }
    await httpd.shutdown();
  }
  console.log(JSON.stringify(became));
}

void main();
