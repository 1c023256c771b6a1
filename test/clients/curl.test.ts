/** curl, as people try a server out. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { requireProgram } from "../support/system.ts";
import { run, startAdder, startSeed } from "./seed.ts";

const curl = requireProgram("curl");
const skip = { skip: curl.skip };
const SUM = '{"val_a": 3, "val_b": 4}';
const JSON_FIELD = ["-H", "Content-Type: application/json"];

/** Runs curl on a URL of the server's; gives what it printed, and all that went over the wire as it tells it. */
async function fetchWith(
  port: number,
  args: readonly string[],
  input?: string,
): Promise<{ stdout: string; stderr: string }> {
  const common = ["-q", "--silent", "--show-error", "--verbose", "--max-time", "20", "--noproxy", "*"];
  return run(curl.path, [...common, ...args, `http://127.0.0.1:${port}/`], input);
}

async function adder(t: TestContext): Promise<(args: readonly string[], input?: string) => ReturnType<typeof run>> {
  const { port } = await startAdder(t);
  return (args, input) => fetchWith(port, args, input);
}

test("the seed adds what comes with a GET, and has its easter egg", skip, async (t) => {
  const { port } = await startSeed(t);
  const { stdout } = await fetchWith(port, ["-X", "GET", ...JSON_FIELD, "-d", SUM]);
  assert.deepEqual(JSON.parse(stdout), { sum: 7 });
  const egg = await fetchWith(port, ["-X", "RICKROLL"]);
  assert.equal(egg.stdout, "Never gonna give you up\n");
});

test("Expect: 100-continue", skip, async (t) => {
  const fetch = await adder(t);
  const { stdout, stderr } = await fetch([
    "-X",
    "POST",
    "-H",
    "Expect: 100-continue",
    "--expect100-timeout",
    "15",
    "-d",
    SUM,
  ]);
  assert.deepEqual(JSON.parse(stdout), { sum: 7 });
  assert.match(stderr, /< HTTP\/1\.1 100 Continue\r?\n[^]*< HTTP\/1\.1 200 OK/);
});

test("an expectation that nobody knows", skip, async (t) => {
  const fetch = await adder(t);
  const { stderr } = await fetch(["-H", "Expect: 200-maybe", "-d", SUM]);
  assert.match(stderr, /< HTTP\/1\.1 417 /);
});

test("a chunked upload", skip, async (t) => {
  const fetch = await adder(t);
  for (const method of ["GET", "POST"]) {
    const { stdout, stderr } = await fetch(["-X", method, "-H", "Transfer-Encoding: chunked", "-d", SUM]);
    assert.deepEqual(JSON.parse(stdout), { sum: 7 });
    assert.match(stderr, /> Transfer-Encoding: chunked/);
  }
});

test("HTTP/1.0", skip, async (t) => {
  const fetch = await adder(t);
  const { stdout, stderr } = await fetch(["--http1.0", "-X", "GET", "-d", SUM]);
  assert.deepEqual(JSON.parse(stdout), { sum: 7 });
  assert.match(stderr, /> GET \/ HTTP\/1\.0\r?\n/);
  assert.match(stderr, /< Connection: close/);
});

test("HEAD", skip, async (t) => {
  const fetch = await adder(t);
  const { stdout } = await fetch(["--head"]);
  assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n[^]*Content-Length: 9\r\n/);
  assert.match(stdout, /\r\n\r\n$/);
});

test("a large upload from a pipe comes back as a stream", skip, async (t) => {
  const fetch = await adder(t);
  const content = "0123456789".repeat(30_000);
  const { stdout, stderr } = await fetch(["-X", "PUT", "-H", "X-Hint: 1", "-T", "-"], content);
  assert.ok(stdout === content);
  assert.match(stderr, /< HTTP\/1\.1 103 Early Hints/);
});

test("many requests, one connection", skip, async (t) => {
  const { port, log } = await startAdder(t);
  const args = ["-q", "--silent", "--verbose", "--max-time", "20", "--noproxy", "*", "-X", "RICKROLL"];
  const { stdout, stderr } = await run(curl.path, [...args, `http://127.0.0.1:${port}/[1-50]`]);
  assert.equal(stdout, "Never gonna give you up\n".repeat(50));
  assert.equal(stderr.match(/Re-using existing connection/g)?.length, 49);
  assert.equal(log.length, 50);
});
