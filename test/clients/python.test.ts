/** Python's http.client, as the post's prequel uses it, against the post's program. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { requireProgram } from "../support/system.ts";
import { run, startAdder, startSeed } from "./seed.ts";

const python = requireProgram("python3");

/** The client of the prequel, asked for many sums on one connection. */
const CLIENT = `
import http.client, json, sys
port, count, version = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
if version == "1.0":
    conn._http_vsn, conn._http_vsn_str = 10, "HTTP/1.0"
sockets = set()
for i in range(count):
    body = json.dumps({"val_a": i, "val_b": 0.5}).encode("utf-8")
    headers = {"Content-type": "application/json", "Content-Length": str(len(body))}
    if version == "1.0" and len(sys.argv) > 4:
        headers["Connection"] = "keep-alive"
    conn.request("GET", "/", body=body, headers=headers)
    if conn.sock is not None:
        sockets.add(conn.sock.getsockname())
    response = conn.getresponse()
    assert response.status == 200 and response.reason == "OK", response.status
    assert response.getheader("content-type") == "application/json"
    content = json.loads(response.read().decode("utf-8"))
    assert content == {"sum": i + 0.5}, (i, content)
print(len(sockets), response.will_close)
`;

test("1,000 sums on one connection", { skip: python.skip }, async (t) => {
  const seed = await startSeed(t);
  const { stdout } = await run(python.path, ["-c", CLIENT, String(seed.port), "1000", "1.1"]);
  assert.equal(stdout, "1 False\n");
  const lines = seed.log().trimEnd().split("\n");
  assert.equal(lines.length, 1000);
  for (const line of lines) {
    assert.match(line, /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4} \d\d:\d\d:\d\d\] "GET \/ HTTP\/1\.1" 200 \d+$/);
  }
});

test("HTTP/1.0, a connection for each", { skip: python.skip }, async (t) => {
  const seed = await startSeed(t);
  const { stdout } = await run(python.path, ["-c", CLIENT, String(seed.port), "50", "1.0"]);
  assert.equal(stdout, "50 True\n");
});

test("HTTP/1.0 with keep-alive, one connection for all", { skip: python.skip }, async (t) => {
  const seed = await startSeed(t);
  const { stdout } = await run(python.path, ["-c", CLIENT, String(seed.port), "50", "1.0", "keep-alive"]);
  assert.equal(stdout, "1 False\n");
});

test("a RICKROLL, a HEAD, and chunks sent and received", { skip: python.skip }, async (t) => {
  const { port } = await startAdder(t);
  const code = `
import http.client, sys
conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
conn.request("RICKROLL", "/")
response = conn.getresponse()
print(response.status, response.read().decode(), end="")
conn.request("HEAD", "/")
response = conn.getresponse()
print(response.status, response.getheader("Content-Length"), len(response.read()))
conn.request("POST", "/", body=iter([b'{"val_a": 1,', b'"val_b": 2}']), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
response = conn.getresponse()
print(response.status, response.read().decode())
conn.request("PUT", "/", body=b"x" * 1000000)
response = conn.getresponse()
print(response.status, response.chunked, len(response.read()))
conn.request("BREW", "/")
response = conn.getresponse()
print(response.status, response.getheader("Content-Type"), len(response.read()) > 0)
`;
  const { stdout } = await run(python.path, ["-c", code, String(port)]);
  assert.deepEqual(stdout.split("\n"), [
    "200 Never gonna give you up",
    "200 9 0",
    '200 {"sum":3}',
    "200 True 1000000",
    "501 application/problem+json True",
    "",
  ]);
});
