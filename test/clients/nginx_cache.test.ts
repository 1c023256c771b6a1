/** The addition behind nginx as a cache that keeps whatever it may, errors too: no client gets a response that was another's. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, type RequestHandlerClass } from "plinth";
import { AdditionHandler, MAX_BODY_SIZE } from "../../apps/addition/handler.ts";
import { until } from "../server/support.ts";
import { readResponses } from "../support/responses.ts";
import { requireProgram } from "../support/system.ts";

const nginx = requireProgram("nginx");

interface Response {
  readonly status: number;
  readonly content: string;
  /** What nginx says of it: MISS, HIT … */
  readonly cached: string;
}

type Ask = (
  method: string,
  target: string,
  headers?: Readonly<Record<string, string>>,
  content?: string,
) => Promise<Response>;

/** A cache that keeps responses of every status for a minute, unless they say otherwise. */
function configuration(folder: string, port: number): string {
  return `
daemon off;
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes 1;
pid ${folder}/pid;
error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  proxy_cache_path ${folder}/cache keys_zone=kept:1m use_temp_path=off;
  large_client_header_buffers 8 32k;
  proxy_buffer_size 32k;
  proxy_buffers 8 32k;
  server {
    listen unix:${folder}/socket;
    location / {
      proxy_pass http://127.0.0.1:${port};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache kept;
      proxy_cache_methods GET HEAD POST;
      proxy_cache_valid any 1m;
      add_header X-Cache $upstream_cache_status always;
    }
  }
}
`;
}

/** Serves behind nginx until the test ends. */
async function startBehindNginx(t: TestContext, Handler: RequestHandlerClass): Promise<Ask> {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-nginx-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", maxBodySize: MAX_BODY_SIZE });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  await writeFile(path.join(folder, "nginx.conf"), configuration(folder, httpd.serverAddress[1]));
  const child = spawn(nginx.path, ["-p", folder, "-c", path.join(folder, "nginx.conf"), "-e", "stderr"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "close");
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  const socket = path.join(folder, "socket");
  let isThere = false;
  await until(() => {
    assert.equal(child.exitCode, null, stderr);
    if (!isThere)
      void send(socket, "")
        .then(() => (isThere = true))
        .catch(() => {});
    return isThere;
  }, "nginx");
  return async (method, target, headers = {}, content) => {
    const fields = Object.entries({ Host: "a", Connection: "close", ...headers });
    if (content !== undefined) fields.push(["Content-Length", String(Buffer.byteLength(content))]);
    const head = fields.map((field) => `${field.join(": ")}\r\n`).join("");
    const text = await send(socket, `${method} ${target} HTTP/1.1\r\n${head}\r\n${content ?? ""}`);
    const [{ status, body, get }] = readResponses(text, [method], true, "any server");
    return { status, content: body, cached: get("X-Cache") ?? "" };
  };
}

/** Sends a request on a connection of its own. @returns all that comes back */
function send(socket: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const peer = net.connect(socket, () => (request === "" ? peer.end() : peer.write(request)));
    let text = "";
    peer.setEncoding("latin1").on("data", (part: string) => (text += part));
    peer.on("end", () => peer.end());
    peer.on("close", () => resolve(text));
    peer.on("error", reject);
  });
}

const JSON_TYPE = { "Content-Type": "application/json" };
const SUM = '{"val_a": 3, "val_b": 4}';
const BY_URL = "/?val_a=3&val_b=4";

test("errors are not kept, so whoever asks rightly has the sum", { skip: nginx.skip }, async (t) => {
  const ask = await startBehindNginx(t, AdditionHandler);
  for (const [status, target, headers, content] of [
    [422, "/", JSON_TYPE, '{"val_a": "3", "val_b": 4}'],
    [422, "/a", {}, "{}"],
    [400, "/b", JSON_TYPE, "{"],
    [400, "/c", JSON_TYPE, `\ufeff${SUM}`],
    [400, "/d?val_a=3", JSON_TYPE, SUM],
    [413, "/e", JSON_TYPE, " ".repeat(MAX_BODY_SIZE + 1)],
    [415, "/f", { "Content-Type": "text/plain" }, SUM],
    [415, "/g", { ...JSON_TYPE, "Content-Encoding": "gzip" }, SUM],
    [404, "/h", {}, undefined],
    [422, "/?val_a=3", {}, undefined],
  ] as const) {
    for (const method of ["GET", "HEAD", "POST"]) {
      const wrong = await ask(method, target, headers, content);
      assert.ok(wrong.status >= 400 && wrong.cached === "MISS", `${method} ${target}: ${wrong.status} ${wrong.cached}`);
      if (method === "GET") assert.equal(wrong.status, status, target);
      const right = await ask("GET", target, JSON_TYPE, target.endsWith("?val_a=3") ? '{"val_b": 4}' : SUM);
      assert.deepEqual([right.status, right.content], [200, '{"sum":7}\n'], `GET ${target} behind ${method} ${status}`);
    }
  }
});

test("errors by other fields, and by a target alone, are not kept either", { skip: nginx.skip }, async (t) => {
  const ask = await startBehindNginx(t, AdditionHandler);
  const manyFields = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`X-${i}`, "x"]));
  for (const [target, headers, status] of [
    [BY_URL, manyFields, 431],
    [`/?${"x".repeat(9000)}`, {}, 414],
    ["/?val_a=x&val_b=4", {}, 422],
  ] as const) {
    for (let i = 0; i < 2; i++) {
      const { status: seen, cached } = await ask("GET", target, headers);
      assert.deepEqual([seen, cached], [status, "MISS"], target.slice(0, 40));
    }
  }
  assert.equal((await ask("GET", BY_URL)).content, '{"sum":7}\n');
});

test("sums by content are not kept, those by path or query are", { skip: nginx.skip }, async (t) => {
  const ask = await startBehindNginx(t, AdditionHandler);
  for (const method of ["GET", "POST"]) {
    for (const [content, sum] of [
      [SUM, 7],
      ['{"val_a": 5, "val_b": 4}', 9],
    ] as const) {
      const response = await ask(method, "/", JSON_TYPE, content);
      assert.deepEqual([response.status, response.content, response.cached], [200, `{"sum":${sum}}\n`, "MISS"], method);
    }
  }
  for (const cached of ["MISS", "HIT"]) {
    const response = await ask("GET", BY_URL);
    assert.deepEqual(response, { status: 200, content: '{"sum":7}\n', cached });
  }
});

/** As the guide warns: it responds by the content, and does not say so. */
class Echo extends BaseHTTPRequestHandler {
  async do_GET(): Promise<void> {
    const headers: Record<string, string> = this.pathname === "/said" ? { "Cache-Control": "no-store" } : {};
    this.sendText(await this.text(), 200, headers);
  }
}

test("a handler of one's own must say so itself", { skip: nginx.skip }, async (t) => {
  const ask = await startBehindNginx(t, Echo);
  for (const [target, second] of [
    ["/unsaid", "one"],
    ["/said", "two"],
  ] as const) {
    assert.equal((await ask("GET", target, {}, "one")).content, "one");
    assert.equal((await ask("GET", target, {}, "two")).content, second, target);
  }
  const missing = await startBehindNginx(
    t,
    class extends BaseHTTPRequestHandler {
      do_POST(): void {}
    },
  );
  for (let i = 0; i < 2; i++)
    assert.deepEqual(await missing("GET", "/").then(({ status, cached }) => [status, cached]), [405, "MISS"]);
});
