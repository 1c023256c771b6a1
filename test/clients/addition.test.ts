/** The addition server, asked by Python's http.client, curl and undici in every way there is; Python checks the sums. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { HTTPServer } from "plinth";
import { Client } from "undici";
import { AdditionHandler, MAX_BODY_SIZE } from "../../apps/addition/handler.ts";
import { testOn } from "../support/runtime.ts";
import { requireProgram } from "../support/system.ts";
import { runs } from "../support/thorough.ts";
import { run } from "./seed.ts";

const python = requireProgram("python3");
const curl = requireProgram("curl");

const SUM = '{"val_a": 3, "val_b": 4}';
const FORM = "val_a=3&val_b=4";
const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";

/** Every way to ask for 3 + 4: method, target, and where there is content its type and itself. */
const WAYS: readonly (readonly [method: string, target: string, type?: string, content?: string])[] = [
  ["GET", "/", JSON_TYPE, SUM],
  ["POST", "/", JSON_TYPE, SUM],
  ["QUERY", "/", JSON_TYPE, SUM],
  ["GET", "/", FORM_TYPE, FORM],
  ["POST", "/", FORM_TYPE, FORM],
  ["QUERY", "/", FORM_TYPE, FORM],
  ["GET", "/val_a/3/val_b/4/"],
  ["GET", "/?val_a=3&val_b=4"],
  ["POST", "/?val_a=3&val_b=4"],
];

/** Serves in this process until the test ends. */
async function startAddition(t: TestContext): Promise<number> {
  const httpd = new HTTPServer(["127.0.0.1", 0], AdditionHandler, { log: "none", maxBodySize: MAX_BODY_SIZE });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  return httpd.serverAddress[1];
}

test("http.client: every way, on one connection", { skip: python.skip }, async (t) => {
  const code = `
import http.client, json, sys
conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
for method, target, *content in json.loads(sys.argv[2]):
    if content:
        conn.request(method, target, body=content[1].encode(), headers={"Content-Type": content[0]})
    else:
        conn.request(method, target)
    response = conn.getresponse()
    assert not response.will_close
    print(response.status, response.getheader("Content-Type"), json.loads(response.read()))
`;
  const { stdout } = await run(python.path, ["-c", code, String(await startAddition(t)), JSON.stringify(WAYS)]);
  assert.equal(stdout, "200 application/json {'sum': 7}\n".repeat(WAYS.length));
});

test("curl: every way, and a question whether it has changed", { skip: curl.skip }, async (t) => {
  const port = await startAddition(t);
  const fetch = (args: readonly string[], target: string) =>
    run(curl.path, ["-q", "-sS", "--max-time", "20", "--noproxy", "*", ...args, `http://127.0.0.1:${port}${target}`]);
  for (const [method, target, type, content] of WAYS) {
    const args = content === undefined ? [] : ["-H", `Content-Type: ${type}`, "-d", content];
    const { stdout } = await fetch(["-X", method, ...args], target);
    assert.deepEqual(JSON.parse(stdout), { sum: 7 }, `${method} ${target} ${type}`);
  }
  assert.deepEqual(JSON.parse((await fetch(["-d", "val_a=3", "-d", "val_b=4"], "/")).stdout), { sum: 7 });
  const { stdout } = await fetch(["--head"], "/?val_a=3&val_b=4");
  const tag = /^ETag: (.+)\r$/m.exec(stdout)![1];
  const known = await fetch(["-H", `If-None-Match: ${tag}`, "-w", "%{http_code}"], "/?val_a=3&val_b=4");
  assert.equal(known.stdout, "304");
});

// Bun puts a stand-in for undici, whose responses are undefined.
testOn("node", "deno")("undici: every way, on one connection", async (t) => {
  const client = new Client(`http://127.0.0.1:${await startAddition(t)}`);
  t.after(() => client.destroy());
  let connections = 0;
  client.on("connect", () => connections++);
  for (const [method, path, type, content] of WAYS) {
    const { statusCode, headers, body } = await client.request({
      method: method as "GET", // it sends any
      path,
      headers: type === undefined ? {} : { "Content-Type": type },
      body: content ?? null,
      reset: false, // it distrusts servers that are given content with a GET, and would not use the connection again
    });
    assert.deepEqual([statusCode, headers["content-type"]], [200, "application/json"]);
    assert.deepEqual(await body.json(), { sum: 7 });
  }
  assert.equal(connections, 1);
});

/** Makes pairs of numbers, has them added in a way each, and adds them itself. */
const PAIRS = `
import http.client, json, math, random, struct, sys, urllib.parse
port, count, seed = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = random.Random(seed)

def integer():
    return rng.choice(["", "-"]) + str(rng.randrange(10 ** rng.choice([1, 3, 10, 15, 16, 17, 20, 200])))

def double():
    kind = rng.randrange(6)
    if kind == 0:
        return repr(rng.choice([-1, 1]) * rng.random() * 10 ** rng.randrange(-3, 17))
    if kind == 1:  # any double there is, subnormal ones too
        value = struct.unpack("<d", rng.randbytes(8))[0]
        return repr(value) if math.isfinite(value) else "-0.0"
    if kind == 2:  # subnormal
        return repr(rng.choice([-1, 1]) * rng.randrange(1, 2 ** 20) * 5e-324)
    if kind == 3:
        return rng.choice(["-0.0", "0.0", "-0e0", "1.7976931348623157e308", "-1.7976931348623157E+308", "5e-324", "1e-400", "2.5e-324"])
    if kind == 4:  # more digits than a double holds
        return rng.choice(["", "-"]) + str(rng.randrange(1000)) + "." + "".join(rng.choices("0123456789", k=rng.randrange(1, 40)))
    return str(rng.randrange(-99, 100)) + rng.choice("eE") + rng.choice(["", "+", "-"]) + str(rng.randrange(40))

fixed = [("1e308", "1e308"), ("-1.7976931348623157e308", "-1e300"), ("1" + "0" * 309, "0.5"), ("-0.0", "-" + "9" * 309)]
conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
seen, sockets = {}, set()
for i in range(count):
    a, b = fixed[i] if i < len(fixed) else [rng.choice([integer, double])() for _ in "ab"]
    try:
        expected = json.loads(a) + json.loads(b)
        status = 200 if math.isfinite(expected) else 422
    except OverflowError:
        status = 422
    way = i % 6
    pair = urllib.parse.urlencode({"val_a": a, "val_b": b})
    content = '{"val_a": %s, "val_b": %s}' % (a, b)
    if way < 3:
        conn.request(["POST", "GET", "QUERY"][way], "/", content, {"Content-Type": "application/json"})
    elif way == 3:
        conn.request("POST", "/", pair, {"Content-Type": "application/x-www-form-urlencoded"})
    elif way == 4:
        conn.request("GET", "/?" + pair)
    else:
        conn.request("GET", "/val_a/%s/val_b/%s/" % (a, b))
    sockets.add(conn.sock.getsockname())
    response = conn.getresponse()
    text = response.read().decode("utf-8")
    assert response.status == status, (a, b, way, response.status, text)
    kind = "none"
    if status == 200:
        response = json.loads(text)["sum"]
        kind = type(response).__name__
        # repr, since it tells 0.0 from -0.0; of doubles no two are written alike
        assert type(response) is type(expected) and repr(response) == repr(expected), (a, b, way, response, expected)
    seen[kind] = seen.get(kind, 0) + 1
print(json.dumps({"connections": len(sockets), **seen}))
`;

const pairs = runs(10_000, 2000);

test("random pairs have the sums that Python gives them", { skip: python.skip }, async (t) => {
  const seed = String(Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`seed ${seed}`);
  const { stdout } = await run(python.path, ["-c", PAIRS, String(await startAddition(t)), String(pairs), seed]);
  const { connections, int, float, none } = JSON.parse(stdout) as Record<string, number>;
  t.diagnostic(`${int} integers, ${float} doubles, ${none} beyond a double's range`);
  assert.equal(connections, 1);
  assert.equal(int + float + none, pairs);
  assert.ok(int > pairs / 10 && float > pairs / 10 && none >= 4);
});
