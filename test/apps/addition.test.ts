/** The addition server as a program: its responses, its options, its signals, and what it says when it cannot start. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { networkInterfaces } from "node:os";
import { after, before, describe, test } from "node:test";
import { type ReceivedResponse, request, until } from "../server/support.ts";
import { Program, start } from "./addition/program.ts";
import { runsTypeScript, runtime, sharesPorts } from "../support/runtime.ts";
import { sendSignal } from "../support/system.ts";
import { thorough, thoroughly } from "../support/thorough.ts";

const JSON_FIELD = "Content-Type: application/json\r\n";

function message(method: string, content: string, fields = JSON_FIELD): string {
  const bytes = Buffer.from(content).toString("latin1");
  return `${method} / HTTP/1.1\r\nHost: a\r\n${fields}Content-Length: ${bytes.length}\r\n\r\n${bytes}`;
}

function parsed(response: ReceivedResponse): Record<string, unknown> {
  return JSON.parse(Buffer.from(response.body, "latin1").toString()) as Record<string, unknown>;
}

const WAYS: readonly (readonly [name: string, ...args: string[]])[] = [
  ["how it responds"],
  ["how it responds over TLS", "--tls-self-signed"],
  ...(thorough ? [["how it responds over TLS, in threads", "--tls-self-signed", "--threads", "2"] as const] : []),
];
for (const [name, ...args] of WAYS) describe(name, () => responding(args));

function responding(args: readonly string[]): void {
  let program: Program;
  before(async () => {
    program = await new Program(["--port", "0", "--log", "none", ...args]).start();
  });
  after(() => program.stop());

  test("the sum, by GET, POST and QUERY", async (t) => {
    const peer = await program.connect(t);
    for (const method of ["GET", "POST", "QUERY"]) {
      for (const [content, sum] of [
        ['{"val_a": 3, "val_b": 4}', 7],
        ['{"val_b": -0.5, "val_a": 1e3, "more": null}', 999.5],
        [' {"val_a":0,"val_b":0}\n', 0],
      ] as const) {
        const response = await peer.ask(message(method, content));
        assert.deepEqual([response.status, response.get("content-type")], [200, "application/json"]);
        assert.deepEqual(parsed(response), { sum });
      }
    }
    for (const type of ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=utf-8"]) {
      const response = await peer.ask(message("POST", '{"val_a": 3, "val_b": 4}', `Content-Type: ${type}\r\n`));
      assert.deepEqual(parsed(response), { sum: 7 }, type);
    }
  });

  test("the sum of a form, a path and a query", async (t) => {
    const peer = await program.connect(t);
    const type = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (const method of ["GET", "POST", "QUERY"])
      assert.deepEqual(parsed(await peer.ask(message(method, "val_a=3&val_b=4", type))), { sum: 7 });
    for (const target of ["/val_a/3/val_b/4/", "/?val_a=3&val_b=4"])
      for (const method of ["GET", "POST"])
        assert.deepEqual(parsed(await peer.ask(request(method, target))), { sum: 7 }, `${method} ${target}`);
  });

  test("content without a type is taken for JSON, as the post's client may send it", async (t) => {
    const peer = await program.connect(t);
    for (const method of ["GET", "POST"]) {
      assert.deepEqual(parsed(await peer.ask(message(method, '{"val_a": 3, "val_b": 4}', ""))), { sum: 7 });
    }
  });

  test("chunks", async (t) => {
    const peer = await program.connect(t);
    const head = `GET / HTTP/1.1\r\nHost: a\r\n${JSON_FIELD}Transfer-Encoding: chunked\r\n\r\n`;
    const response = await peer.ask(`${head}9\r\n{"val_a":\r\nd\r\n 3,"val_b":4}\r\n0\r\n\r\n`);
    assert.deepEqual(parsed(response), { sum: 7 });
  });

  test("422 for what are no numbers, all of it at once, and where", async (t) => {
    const peer = await program.connect(t);
    for (const [content, pointers] of [
      ['{"val_a": "3", "val_b": 4}', ["#/val_a"]],
      ['{"val_a": 3, "val_b": null}', ["#/val_b"]],
      ['{"val_a": [3], "val_b": {}}', ["#/val_a", "#/val_b"]],
      ['{"val_a": true}', ["#/val_a", "#/val_b"]],
      ["{}", ["#/val_a", "#/val_b"]],
      ['{"VAL_A": 3, "val_b": 4}', ["#/val_a"]],
      ['{"__proto__": {"val_a": 3, "val_b": 4}}', ["#/val_a", "#/val_b"]],
      ['{"val_a": 1e999, "val_b": 4}', ["#/val_a"]],
      ['{"val_a": 1.7e308, "val_b": 1.7e308}', ["#"]],
      ["[3, 4]", ["#"]],
      ["7", ["#"]],
      ["null", ["#"]],
      ['"x"', ["#"]],
    ] as const) {
      const response = await peer.ask(message("POST", content));
      assert.deepEqual([response.status, response.get("content-type")], [422, "application/problem+json"], content);
      const problem = parsed(response);
      assert.deepEqual([problem["title"], problem["status"]], ["Unprocessable Content", 422]);
      const errors = problem["errors"] as { pointer: string; detail: string }[];
      assert.deepEqual(
        errors.map(({ pointer }) => pointer),
        pointers,
        content,
      );
      for (const { detail } of errors) assert.ok(detail.length > 0);
    }
  });

  test("400 for what is no JSON", async (t) => {
    const peer = await program.connect(t);
    for (const content of [
      "",
      "{",
      "val_a=3&val_b=4",
      "{'val_a': 3}",
      "NaN",
      '{"val_a": 3, "val_b": 4} x',
      "\ufeff{}",
    ]) {
      const response = await peer.ask(message("POST", content));
      assert.deepEqual([response.status, parsed(response)["title"]], [400, "Bad Request"], content);
      assert.doesNotMatch(response.body, /\.[jt]s\b|node:/);
    }
    const noText = `POST / HTTP/1.1\r\nHost: a\r\n${JSON_FIELD}Content-Length: 3\r\n\r\n"\xff"`;
    assert.equal((await peer.ask(noText)).status, 400);
    assert.equal((await peer.ask(request("POST"))).status, 400, "no content at all");
  });

  test("413 for more than two numbers need, announced or not, and no sooner", async (t) => {
    const fits = `{"val_a": 3, "val_b": 4${" ".repeat(64 * 1024 - 24)}}`;
    assert.equal(fits.length, 64 * 1024);
    const peer = await program.connect(t);
    assert.deepEqual(parsed(await peer.ask(message("POST", fits))), { sum: 7 });
    assert.equal((await peer.ask(message("POST", `${fits} `))).status, 413);
    await peer.endOfConnection();
    const other = await program.connect(t);
    await other.send(
      `POST / HTTP/1.1\r\nHost: a\r\n${JSON_FIELD}Transfer-Encoding: chunked\r\n\r\n10001\r\n${fits} \r\n0\r\n\r\n`,
    );
    assert.equal((await other.response()).status, 413);
    await other.endOfConnection();
  });

  test("415 for other types, with those that are served", async (t) => {
    const peer = await program.connect(t);
    for (const method of ["GET", "POST", "QUERY"]) {
      for (const type of ["text/plain", "application/jsonp", "multipart/form-data; boundary=a", "*/*", ""]) {
        const response = await peer.ask(message(method, '{"val_a": 3, "val_b": 4}', `Content-Type: ${type}\r\n`));
        assert.equal(response.status, 415, `${method} ${type}`);
        for (const field of ["accept", "accept-query"])
          assert.equal(response.get(field), "application/json, application/x-www-form-urlencoded");
      }
    }
  });

  test("415 for content that is encoded, and parameters behind any white space", async (t) => {
    const peer = await program.connect(t);
    const content = '{"val_a": 3, "val_b": 4}';
    const encoded = await peer.ask(message("POST", content, `${JSON_FIELD}Content-Encoding: gzip\r\n`));
    assert.deepEqual([encoded.status, encoded.get("accept-encoding")], [415, "identity"]);
    const spaced = await peer.ask(message("POST", content, "Content-Type: application/json\t ; charset=utf-8\r\n"));
    assert.equal(spaced.status, 200);
  });

  test("a QUERY must say what its content is", async (t) => {
    const peer = await program.connect(t);
    const response = await peer.ask(message("QUERY", '{"val_a": 3, "val_b": 4}', ""));
    assert.equal(response.status, 400);
    assert.match(String(parsed(response)["detail"]), /Content-Type/);
  });

  test("RICKROLL", async (t) => {
    const peer = await program.connect(t);
    const response = await peer.ask(request("RICKROLL"));
    assert.equal(response.status, 200);
    assert.match(response.body, /^Never gonna give you up/);
  });

  test("405 for known methods that it has not, 501 for unknown ones, HEAD and OPTIONS for nothing", async (t) => {
    const peer = await program.connect(t);
    for (const method of ["PUT", "DELETE", "PATCH", "TRACE"]) {
      const response = await peer.ask(request(method));
      assert.equal(response.status, 405);
      assert.deepEqual(response.get("allow")?.split(", ").sort(), [
        "GET",
        "HEAD",
        "OPTIONS",
        "POST",
        "QUERY",
        "RICKROLL",
      ]);
    }
    for (const method of ["BREW", "rickroll", "get", "constructor", "__proto__"]) {
      assert.equal((await peer.ask(request(method))).status, 501, method);
    }
    const head = await peer.ask(message("HEAD", '{"val_a": 3, "val_b": 4}'));
    assert.deepEqual([head.status, head.get("content-length"), head.body], [200, "10", ""]);
    const options = await peer.ask(request("OPTIONS"));
    assert.deepEqual([options.status, options.get("allow")], [204, (await peer.ask(request("PUT"))).get("allow")]);
    assert.equal(options.get("accept-query"), "application/json, application/x-www-form-urlencoded");
  });
}

test("the address it prints is the real one, and what it suggests to try names it", async (t) => {
  const program = await start(t, "--port", "0");
  assert.notEqual(program.url.port, "0");
  assert.equal(program.url.hostname, "127.0.0.1");
  const [, ...tries] = program.stdout.trimEnd().split("\n\n");
  const commands = tries.join("\n").split("\n");
  assert.ok(commands.length >= 2);
  for (const command of commands)
    assert.ok(command.startsWith("  curl ") && command.includes(program.url.href), command);
  for (const way of [" -X GET ", " -X QUERY ", "/val_a/3/val_b/4/", "/?val_a=3&val_b=4'"])
    assert.ok(program.stdout.includes(way), way);
  const peer = await program.connect(t);
  for (const target of ["/val_a/3/val_b/4/", "/?val_a=3&val_b=4"])
    assert.deepEqual(parsed(await peer.ask(request("GET", target))), { sum: 7 });
});

test("--host: every address, a name, IPv6 where there is one", async (t) => {
  const hosts = ["localhost", ...(thorough ? ["0.0.0.0", "127.0.0.1"] : [])];
  if (thorough && Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1")))
    hosts.push("::1");
  for (const host of hosts) {
    const program = await start(t, `--host=${host}`, "--port=0");
    const peer = await program.connect(t);
    assert.equal((await peer.ask(request("RICKROLL"))).status, 200, host);
  }
});

test("a line for each request on stderr, and with --log none no line", async (t) => {
  const plain = await start(t, "--port", "0");
  const none = await start(t, "--port", "0", "--log", "none");
  for (const program of [plain, none]) {
    const peer = await program.connect(t);
    await peer.ask(request("RICKROLL"));
    await peer.ask(request("BREW"));
    await peer.ask("nonsense\r\n\r\n");
    await peer.end();
    sendSignal(program.process, "SIGTERM");
    await program.ended;
  }
  const lines = plain.stderr.trimEnd().split("\n");
  assert.match(lines[0], /^127\.0\.0\.1 - - \[.+\] "RICKROLL \/ HTTP\/1\.1" 200 51$/);
  assert.match(lines[1], /code 501, message Not Implemented$/);
  assert.equal(lines.length, 4);
  assert.equal(none.stderr, "");
});

thoroughly(test)("few file descriptors are enough to start; with too few it says so, and what to do", async (t) => {
  // Node 20 opens all files at once that a module imports, and each thread imports its files itself.
  for (const [files, args] of [
    [64, []],
    [112, ["--threads", "4"]],
    [80, ["--threads", "4"]],
    ...(sharesPorts ? [[64, ["--listeners", "2"]] as const] : []),
  ] as const) {
    const program = new Program(["--port", "0", ...args], files);
    t.after(() => program.stop());
    await program.start();
    const peer = await program.connect(t);
    assert.deepEqual(parsed(await peer.ask(request("GET", "/?val_a=3&val_b=4"))), { sum: 7 });
    await program.stop();
  }
  // Bun needs fewer, Deno ends itself where a thread finds none, and Node 20 may also say that a file is not there.
  if (runtime !== "node" || !runsTypeScript) return;
  const program = new Program(["--port", "0", "--log", "none", "--threads", "12"], 64);
  assert.deepEqual(await program.ended, { status: 2, signal: null });
  assert.match(
    program.stderr,
    /^plinth-addition: [^\n]*(?:too many open files|too few file descriptors)[^\n]*\(ulimit -n\)[^\n]*\n$/,
  );
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} ends it in order, with status 0, whoever is connected`, async (t) => {
    const program = await start(t, "--port", "0", "--log", "none");
    const idle = await program.connect(t);
    await idle.ask(request("RICKROLL"));
    const busy = await program.connect(t);
    const sum = message("POST", '{"val_a": 3, "val_b": 4}');
    await busy.send(sum.slice(0, -1));
    await idle.ask(request("RICKROLL")); // by now the other has been seen too
    sendSignal(program.process, signal);
    await idle.endOfConnection();
    await idle.end();
    await busy.send(sum.slice(-1));
    const response = await busy.response();
    assert.deepEqual([parsed(response), response.get("connection")], [{ sum: 7 }, "close"]);
    await busy.end();
    assert.deepEqual(await program.ended, { status: 0, signal: null });
    assert.equal(program.stderr, "");
  });
}

test("asked a second time, a moment later, it does not wait for anybody", async (t) => {
  const program = await start(t, "--port", "0", "--log", "none");
  const busy = await program.connect(t);
  await busy.send(message("POST", '{"val_a": 3, "val_b": 4}').slice(0, -1));
  const idle = await program.connect(t);
  await idle.ask(request("RICKROLL"));
  sendSignal(program.process, "SIGINT");
  await idle.endOfConnection();
  // Not at once: a terminal and npm may each send the same Ctrl-C.
  const again = setInterval(() => sendSignal(program.process, "SIGINT"), 100);
  t.after(() => clearInterval(again));
  await until(() => program.process.exitCode !== null, "its end", 5000);
  assert.deepEqual(await program.ended, { status: 0, signal: null });
  assert.equal(busy.text, "");
});

test("it goes on when nobody reads its output any more", async (t) => {
  const program = await start(t, "--port", "0");
  program.process.stdout!.destroy();
  program.process.stderr!.destroy();
  for (let i = 0; i < 3; i++) {
    const peer = await program.connect(t);
    assert.equal((await peer.ask(request("RICKROLL"))).status, 200);
  }
  assert.equal(program.process.exitCode, null);
});

test("--help says what there is, and that is all", async () => {
  const program = new Program(["--help"]);
  assert.deepEqual(await program.ended, { status: 0, signal: null });
  for (const option of ["--host", "--port", "--log"]) assert.ok(program.stdout.includes(option));
  assert.equal(program.stderr, "");
});

test("listeners add, too, and end with it; where a port cannot be shared it says so", async (t) => {
  const program = new Program(["--port", "0", "--listeners", "2"]);
  t.after(() => program.stop());
  if (!sharesPorts) {
    assert.deepEqual(await program.ended, { status: 2, signal: null });
    assert.match(program.stderr, /^plinth-addition: cannot listen .*a port cannot be shared[^\n]+\n$/);
    return;
  }
  await program.start();
  for (let i = 0; i < 12; i++) {
    const response = await fetch(`${program.url.href}val_a/${i}/val_b/4/`, { headers: { Connection: "close" } });
    assert.deepEqual(await response.json(), { sum: i + 4 });
  }
  await until(() => program.stderr.split("\n").length === 13, "a line in the log for each");
  sendSignal(program.process, "SIGTERM");
  assert.equal((await program.ended).status, 0);
});

test("what it cannot do it says in one line, with status 2 and no stack", async (t) => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const taken = String((server.address() as net.AddressInfo).port);
  const cases = [
    [["--port", taken], new RegExp(`127\\.0\\.0\\.1:${taken}: .*in use`)],
    [["--host", "192.0.2.1", "--port", "0"], /192\.0\.2\.1:0: .*not one of this machine's/],
    [["--host", "not a host", "--port", "0"], /not a host:0: /],
    [["--port", "65536"], /--port .*65536/],
    [["--port", "http"], /--port .*http/],
    [["--port", "-1"], /--port/],
    [["--port", "80.5"], /--port/],
    [["--port"], /--port/],
    [["--port="], /--port/],
    [["--log", "loud"], /--log .*loud/],
    [["--threads", "0"], /--threads .*0/],
    [["--listeners", "two"], /--listeners .*two/],
    [["--threads", "2", "--listeners", "2"], /--threads or --listeners/],
    [["--prot", "80"], /--prot/],
    [["8000"], /8000/],
  ] as const;
  // Each is a program of its own: the short run has a third of them.
  for (const [args, said] of cases.filter((_, i) => thorough || i % 3 === 0)) {
    const program = new Program(args);
    assert.deepEqual(await program.ended, { status: 2, signal: null }, args.join(" "));
    assert.match(program.stderr, /^plinth-addition: [^\n]+\n$/, args.join(" "));
    assert.match(program.stderr, said);
    assert.doesNotMatch(program.stderr, /\bat .*\.[jt]s|node:/);
    assert.equal(program.stdout, "");
  }
});
