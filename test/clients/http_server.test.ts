/**
 * Python's own tests of its http.server, asked of Plinth by Python: a test for each case, named behind it. docs/PYTHON.md says which
 * get responses otherwise, and why, and which have no counterpart.
 */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test, type TestContext } from "node:test";
import {
  BaseHTTPRequestHandler,
  type HTTPServer,
  HTTPSServer,
  type HTTPSServerOptions,
  selfSignedCertificate,
} from "plinth";
import { folderWith } from "../threads/support.ts";
import { Gate, GET, inMemory, turn } from "../server/support.ts";
import { encrypted } from "../server/https_support.ts";
import { root } from "../support/places.ts";
import { requireProgram } from "../support/system.ts";
import { ALL_CASES, LIST_CASES, PYTHON_CASES } from "./http_server/cases.ts";
import { quoted, rowsUnder } from "./http_server/page.ts";
import { BaseHandler, EchoHandler, serve } from "./http_server/server.ts";
import { run } from "./seed.ts";

const python = requireProgram("python3");
const CLIENT = path.join(root, "test/clients/http_server/client.py");

/** A response as http.client gives it. */
interface ReceivedResponse {
  readonly status: number;
  readonly reason: string;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** One character a byte. */
  readonly body: string;
  /** http.client will not use the connection again. */
  readonly close: boolean;
}

/** A response as a socket gives it. */
interface RawResponse {
  /** The status lines of the interim responses before it. */
  readonly interim: readonly string[];
  readonly line: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  /** The server has closed the connection behind it. */
  readonly closed: boolean;
}

let seen: Record<string, { saw?: unknown; error?: string }> = {};
const baseLog: string[] = [];
const echoLog: string[] = [];

const servers: HTTPServer[] = [];

before(async () => {
  if (python.skip !== false) return;
  servers.push(await serve(BaseHandler, (line) => baseLog.push(line)));
  servers.push(await serve(EchoHandler, (line) => echoLog.push(line)));
  const ports = servers.map(({ serverAddress }) => String(serverAddress[1]));
  const { stdout } = await run(python.path, [CLIENT, ...ports]);
  seen = JSON.parse(stdout) as typeof seen;
});

after(() => {
  for (const httpd of servers) httpd.serverClose();
});

const covered = new Set<string>();

/** A test for a case; its title ends in the case's name. */
function counterpart(name: string, title: string, skip: string | false, check: (t: TestContext) => unknown): void {
  assert.ok(ALL_CASES.includes(name) && !covered.has(name), name);
  covered.add(name);
  test(`${title} (${name.slice(name.indexOf(".") + 1)})`, { skip }, async (t) => {
    await check(t);
  });
}

/** The counterpart of a case that client.py has asked. */
function asked<Saw>(name: string, title: string, check: (saw: Saw) => void): void {
  counterpart(name, title, python.skip, () => {
    const { saw, error } = seen[name] ?? { error: "client.py does not have this case" };
    assert.equal(error, undefined);
    check(saw as Saw);
  });
}

/** The counterpart of a case that counts writes: those can only be counted in this process. */
function counted(name: string, title: string, check: (t: TestContext) => Promise<void>): void {
  counterpart(name, title, false, check);
}

/** A request that was refused before it reached any handler: the connection ends with the response. */
function assertRefused(response: ReceivedResponse | RawResponse, status: number): void {
  assert.equal(response.status, status);
  assert.equal(response.headers["connection"], "close");
  assert.equal(response.headers["content-type"], "application/problem+json");
  assert.equal(response.headers["content-length"], String(response.body.length));
  if ("closed" in response) assert.equal(response.closed, true);
}

/** What EchoHandler has been asked. */
function echo({ body }: ReceivedResponse | RawResponse): Record<string, unknown> {
  return JSON.parse(body) as Record<string, unknown>;
}

/** Lines of a log without the address and the time. */
function texts(log: readonly string[]): string[] {
  return log.map((line) => line.slice(line.indexOf("] ") + 2));
}

const BASE = "BaseHTTPServerTestCase";

asked<ReceivedResponse[]>(
  `${BASE}.test_command`,
  "a method that others have is 405, one that nobody has 501",
  ([get, bogus]) => {
    assert.equal(get.status, 405);
    assert.match(get.headers["allow"]!, /^TEST, KEEP, .*, OPTIONS$/);
    assert.equal(bogus.status, 501);
  },
);

for (const [name, title, status] of [
  ["test_request_line_trimming", "a line feed behind the version is refused", 400],
  ["test_version_bogus", "a version that is none is refused", 400],
  ["test_version_digits", "a version of three numbers is refused by its first", 505],
  ["test_version_signs_and_underscores", "a version with signs is refused", 400],
  ["test_major_version_number_too_long", "a long major version is refused", 400],
  ["test_minor_version_number_too_long", "a long minor version is refused", 400],
  ["test_version_none_get", "a GET without a version is refused", 400],
  ["test_version_none", "another method without a version is refused", 400],
  ["test_version_invalid", "a version that nobody speaks is 505", 505],
  ["test_send_blank", "a request line without a method is refused", 400],
] as const) {
  asked<ReceivedResponse>(`${BASE}.${name}`, title, (response) => assertRefused(response, status));
}

asked<ReceivedResponse>(
  `${BASE}.test_header_close`,
  "a client that asks for the connection's end gets it",
  (response) => {
    assert.equal(response.status, 501);
    assert.equal(response.headers["connection"], "close");
    assert.equal(response.close, true);
  },
);

asked<[ReceivedResponse[], boolean]>(
  `${BASE}.test_header_keep_alive`,
  "an error keeps the connection, which takes the next request",
  ([responses, same]) => {
    assert.deepEqual(
      responses.map(({ status, close }) => [status, close]),
      [
        [501, false],
        [501, false],
      ],
    );
    assert.ok(same, "another connection");
  },
);

asked<ReceivedResponse>(`${BASE}.test_handler`, "a method of one's own", (response) => {
  assert.equal(response.status, 204);
  assert.equal(response.reason, "No Content");
  assert.equal(response.headers["content-type"], "text/html");
  assert.equal(response.headers["connection"], "close");
  assert.equal(response.close, true);
});

asked<[ReceivedResponse, boolean, ReceivedResponse, ReceivedResponse]>(
  `${BASE}.test_return_header_keep_alive`,
  "keep-alive is said to HTTP/1.0, where it is not said anyway",
  ([kept, same, next, old]) => {
    assert.equal(kept.headers["connection"], undefined);
    assert.ok(same, "another connection");
    assert.equal(next.status, 204);
    assert.equal(old.headers["connection"], "keep-alive");
    assert.equal(old.close, false);
  },
);

asked<ReceivedResponse[]>(
  `${BASE}.test_internal_key_error`,
  "an error with a status that is none is a 500",
  ([none, unknown]) => {
    assert.equal(none.status, 500);
    assert.equal(unknown.status, 599);
    assert.equal(unknown.reason, "");
    assert.ok(
      texts(baseLog).some((text) => text.startsWith("RangeError: cannot respond with 999")),
      "the log does not say why",
    );
  },
);

asked<ReceivedResponse[]>(
  `${BASE}.test_return_custom_status`,
  "a status of one's own from 200 to 599 passes, another is a 500",
  ([none, custom]) => {
    assert.equal(none.status, 500);
    assert.equal(custom.status, 599);
    assert.equal(custom.headers["content-type"], "text/html");
  },
);

asked<ReceivedResponse[]>(`${BASE}.test_return_explain_error`, "an error that explains itself", ([problem, page]) => {
  for (const response of [problem, page]) {
    assert.equal(response.status, 599);
    assert.equal(response.reason, "In Short");
    assert.equal(response.headers["content-length"], String(response.body.length));
  }
  assert.deepEqual(JSON.parse(problem.body), {
    title: "In Short",
    status: 599,
    detail: "and in two\n lines",
  });
  assert.match(page.headers["content-type"]!, /^text\/html\b/);
  assert.ok(page.body.includes("<p>and in two\n lines</p>"), page.body);
});

asked<ReceivedResponse>(
  `${BASE}.test_latin1_header`,
  "headers are ISO-8859-1 both ways, text content is UTF-8",
  (response) => {
    assert.equal(response.headers["x-got"], "Grüße");
    assert.equal(Buffer.from(response.body, "latin1").toString("utf8"), "Füße");
  },
);

asked<ReceivedResponse>(`${BASE}.test_error_content_length`, "an error has its length", (response) => {
  assert.equal(response.status, 404);
  assert.ok(response.body.length > 0);
  assert.equal(response.headers["content-length"], String(response.body.length));
});

asked<Record<string, ReceivedResponse>>(
  `${BASE}.test_send_error`,
  "sendError without content where there is none",
  (responses) => {
    for (const status of [204, 205, 304]) {
      const { headers, ...response } = responses[status];
      assert.equal(response.status, status);
      assert.equal(response.body, "");
      assert.equal(headers["content-type"], undefined);
      assert.equal(headers["content-length"], status === 205 ? "0" : undefined);
      assert.equal(headers["transfer-encoding"], undefined);
    }
    for (const status of [101, 102]) assert.equal(responses[status].status, 500);
  },
);

asked<[Record<string, ReceivedResponse>, ReceivedResponse]>(
  `${BASE}.test_head_via_send_error`,
  "sendError to a HEAD has the fields of its content, and no content",
  ([responses, page]) => {
    for (const status of [200, 204, 205, 304]) {
      const { headers, ...response } = responses[status];
      assert.equal(response.status, status);
      assert.equal(response.body, "");
      assert.equal(headers["content-type"], status === 200 ? "application/problem+json" : undefined);
      if (status === 200) assert.ok(Number(headers["content-length"]) > 0);
      else assert.equal(headers["content-length"], status === 205 ? "0" : undefined);
      assert.equal(headers["transfer-encoding"], undefined);
    }
    assert.equal(responses[101].status, 500);
    assert.match(page.headers["content-type"]!, /^text\/html\b/);
    assert.ok(Number(page.headers["content-length"]) > 0);
    assert.equal(page.body, "");
  },
);

const HTTP09 = "HTTP09ServerTestCase";

asked<RawResponse>(`${HTTP09}.test_simple_get`, "HTTP/0.9 is refused, in HTTP/1.1", (response) => {
  assertRefused(response, 400);
});

asked<RawResponse>(`${HTTP09}.test_invalid_request`, "so is what is not even HTTP/0.9", (response) => {
  assertRefused(response, 400);
});

asked<RawResponse>(`${HTTP09}.test_single_request`, "and what follows it is not looked at", (response) => {
  assertRefused(response, 400); // which says that the connection was closed behind one response
});

const LOGGING = "RequestHandlerLoggingTestCase";
/** What Python's log_message puts in front. */
const PREFIX = /^127\.0\.0\.1 - - \[\d\d\/(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\/\d{4} \d\d:\d\d:\d\d\] /;

asked<ReceivedResponse>(
  `${LOGGING}.test_get`,
  "a request is logged as Python does, with the size of the content",
  (response) => {
    assert.equal(response.status, 200);
    const lines = echoLog.filter((line) => line.includes("/logged"));
    assert.deepEqual(texts(lines), ['"GET /logged HTTP/1.1" 200 181']);
    assert.match(lines[0], PREFIX);
  },
);

asked<ReceivedResponse>(`${LOGGING}.test_err`, "an error is two lines", (response) => {
  assert.equal(response.status, 404);
  assert.equal(response.reason, "File not found");
  const at = baseLog.findIndex((line) => line.includes("ERROR /logged"));
  const lines = baseLog.slice(at - 1, at + 1);
  assert.deepEqual(texts(lines), ["code 404, message File not found", '"ERROR /logged HTTP/1.1" 404 40']);
  for (const line of lines) assert.match(line, PREFIX);
});

const HANDLER = "BaseHTTPRequestHandlerTestCase";

asked<ReceivedResponse>(
  `${HANDLER}.test_unprintable_not_logged`,
  "control characters are escaped in the log",
  (response) => {
    assert.equal(response.status, 200);
    const at = baseLog.findIndex((line) => line.includes('"LOG / '));
    assert.deepEqual(texts(baseLog.slice(at - 4, at)), [
      "plain",
      String.raw`\x1b[2Jcleared\x00`,
      String.raw`one a, two \x1b\x7f\x9f` + "\u00a0b",
      String.raw`"GET /c:\\d\x07"`,
    ]);
  },
);

for (const version of ["1.1", "1.0"]) {
  asked<RawResponse>(`${HANDLER}.test_http_${version.replace(".", "_")}`, `a GET of HTTP/${version}`, (response) => {
    assert.equal(response.line, "HTTP/1.1 200 OK");
    for (const name of ["server", "date", "content-type"]) assert.ok(response.headers[name], name);
    assert.deepEqual(echo(response), {
      requestLine: `GET / HTTP/${version}`,
      method: "GET",
      path: "/",
      requestVersion: `HTTP/${version}`,
      headers: version === "1.1" ? [["Host", "a"]] : [],
      content: "",
    });
    assert.equal(response.closed, version === "1.0");
  });
}

asked<RawResponse>(`${HANDLER}.test_http_0_9`, "HTTP/0.9 by its name is 505", (response) => {
  assertRefused(response, 505);
});

asked<RawResponse>(`${HANDLER}.test_extra_space`, "a space in the target is refused", (response) => {
  assertRefused(response, 400);
  assert.ok(!echoLog.some((line) => line.includes("words")), "a handler has been called");
});

asked<RawResponse>(`${HANDLER}.test_with_continue_1_0`, "HTTP/1.0 gets no 100 Continue", (response) => {
  assert.deepEqual(response.interim, []);
  assert.equal(response.line, "HTTP/1.1 200 OK");
  const { headers, content } = echo(response);
  assert.deepEqual(headers, [
    ["Expect", "100-continue"],
    ["Content-Length", "2"],
  ]);
  assert.equal(content, "hi");
});

asked<RawResponse>(
  `${HANDLER}.test_with_continue_1_1`,
  "100 Continue, then the content, then the response",
  (response) => {
    assert.deepEqual(response.interim, ["HTTP/1.1 100 Continue"]);
    assert.equal(response.line, "HTTP/1.1 200 OK");
    for (const name of ["server", "date", "content-type"]) assert.ok(response.headers[name], name);
    assert.equal(echo(response)["content"], "hi");
  },
);

counted(`${HANDLER}.test_header_buffering_of_send_error`, "sendError is one write", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendError(418);
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(GET);
  await turn();
  const pieces = peer.client.takeBytes();
  assert.equal(pieces.length, 1);
  assert.match(Buffer.from(pieces[0]).toString("latin1"), /^HTTP\/1\.1 418 [^]+\r\n\r\n\{.+\}\n$/);
});

counted(
  `${HANDLER}.test_header_buffering_of_send_response_only`,
  "a status waits for the end of the headers, and has no fields of its own",
  async (t) => {
    const gate = new Gate();
    class Handler extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        this.sendResponseOnly(418);
        this.flushHeaders();
        await gate.opened;
        this.endHeaders();
      }
    }
    const peer = (await inMemory(t, Handler)).connect();
    await peer.send(GET);
    await turn();
    assert.deepEqual(peer.client.takeBytes(), []);
    gate.open();
    await turn();
    const pieces = peer.client.takeBytes();
    assert.equal(pieces.length, 1);
    assert.equal(Buffer.from(pieces[0]).toString("latin1"), "HTTP/1.1 418 I'm a Teapot\r\nContent-Length: 0\r\n\r\n");
  },
);

counted(
  `${HANDLER}.test_header_buffering_of_send_header`,
  "fields wait for the end of the headers, and stand behind a status",
  async (t) => {
    const gate = new Gate();
    class Handler extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        assert.throws(() => this.sendHeader("Foo", "foo"), /sendResponse comes first/);
        this.sendResponseOnly(200);
        this.sendHeader("Foo", "foo");
        this.sendHeader("bar", "bar");
        await gate.opened;
        this.endHeaders();
      }
    }
    const peer = (await inMemory(t, Handler)).connect();
    await peer.send(GET);
    await turn();
    assert.deepEqual(peer.client.takeBytes(), []);
    gate.open();
    await turn();
    const pieces = peer.client.takeBytes();
    assert.equal(pieces.length, 1);
    assert.equal(
      Buffer.from(pieces[0]).toString("latin1"),
      "HTTP/1.1 200 OK\r\nFoo: foo\r\nbar: bar\r\nContent-Length: 0\r\n\r\n",
    );
  },
);

asked<RawResponse[]>(
  `${HANDLER}.test_header_unbuffered_when_continue`,
  "100 Continue is sent when content is asked for, and only then",
  ([without, unread]) => {
    assert.deepEqual(without.interim, []);
    assert.equal(without.line, "HTTP/1.1 200 OK");
    assert.equal(without.closed, false);
    // The client may or may not send its content now: the connection is of no more use.
    assert.deepEqual(unread.interim, []);
    assert.equal(unread.line, "HTTP/1.1 200 OK");
    assert.equal(unread.closed, true);
  },
);

asked<RawResponse>(`${HANDLER}.test_with_continue_rejected`, "an error before the content is asked for", (response) => {
  assert.deepEqual(response.interim, []);
  assert.equal(response.line, "HTTP/1.1 417 Expectation Failed");
  for (const name of ["server", "date", "content-type"]) assert.ok(response.headers[name], name);
  assert.equal(response.headers["connection"], "close");
  assert.equal(response.closed, true);
});

asked<RawResponse>(`${HANDLER}.test_request_length`, "a target that is too long is 414", (response) => {
  assertRefused(response, 414);
  assert.equal(response.line, "HTTP/1.1 414 URI Too Long");
  assert.ok(!echoLog.some((line) => line.includes("/xxx")), "a handler has been called");
});

asked<RawResponse>(`${HANDLER}.test_header_length`, "a header that is too long is 431", (response) => {
  assertRefused(response, 431);
  assert.ok(!echoLog.some((line) => line.includes("/long-header")), "a handler has been called");
});

asked<RawResponse[]>(`${HANDLER}.test_too_many_headers`, "100 headers pass, 101 are 431", ([fine, refused]) => {
  assert.equal(fine.status, 200);
  assertRefused(refused, 431);
  assert.equal(echoLog.filter((line) => line.includes("/many-headers")).length, 1);
});

asked<[RawResponse, ReceivedResponse]>(
  `${HANDLER}.test_html_escape_on_error`,
  "a refusal repeats nothing of the request, an error's page escapes what it is given",
  ([refused, page]) => {
    assertRefused(refused, 400);
    assert.doesNotMatch(refused.body, /script/);
    assert.equal(page.status, 400);
    assert.match(page.headers["content-type"]!, /^text\/html\b/);
    assert.doesNotMatch(page.body, /<script>|<b>/);
    assert.match(page.body, /&#60;script&#62;steal\(/);
  },
);

asked<(ReceivedResponse & { open: boolean })[]>(
  `${HANDLER}.test_close_connection`,
  "a connection takes requests until a handler says closeConnection",
  (responses) => {
    assert.deepEqual(
      responses.map(({ body, open }) => [body, open]),
      [
        ["/keep", true],
        ["/keep", true],
        ["/close", false],
      ],
    );
  },
);

asked<Record<string, string>>(
  `${HANDLER}.test_date_time_string`,
  "dates as Python's email.utils says them",
  (dates) => {
    assert.ok(Object.keys(dates).length >= 4);
    for (const [expected, date] of Object.entries(dates)) assert.equal(date, expected);
  },
);

const HTTPS = "BaseHTTPSServerTestCase";
const own = selfSignedCertificate(["localhost"]);
const other = selfSignedCertificate(["localhost"]);
const SECRET = "a password";
const encryptedKey = encrypted(own.key, SECRET);

/** Starts an HTTPSServer. @returns its port; rejects where its certificate cannot be used */
async function serveHttps(t: TestContext, options: HTTPSServerOptions): Promise<number> {
  const httpd = new HTTPSServer(["127.0.0.1", 0], EchoHandler, { log: "none", ...options });
  t.after(() => httpd.serverClose());
  await httpd.serverActivate();
  return httpd.serverAddress[1];
}

/** Asks by http.client, which trusts `own`. @returns the status */
async function askByHttps(port: number): Promise<number> {
  const program = `import http.client, ssl, sys
context = ssl.create_default_context(cadata=sys.argv[2])
connection = http.client.HTTPSConnection("localhost", int(sys.argv[1]), context=context)
connection.request("GET", "/")
print(connection.getresponse().status)`;
  return Number((await run(python.path, ["-c", program, String(port), own.cert])).stdout);
}

counterpart(`${HTTPS}.test_get`, "a GET by HTTPS", python.skip, async (t) => {
  assert.equal(await askByHttps(await serveHttps(t, { cert: own.cert, key: own.key })), 200);
});

counterpart(`${HTTPS}.test_valid_certdata`, "certificates and keys in each form", python.skip, async (t) => {
  const file = folderWith(t, { "cert.pem": own.cert, "key.pem": own.key, "both.pem": own.key + own.cert });
  const certfile = path.join(file, "cert.pem");
  for (const options of [
    { certfile: path.join(file, "both.pem") },
    { certfile, keyfile: path.join(file, "key.pem") },
    { certfile, key: encryptedKey, password: SECRET },
  ])
    assert.equal(await askByHttps(await serveHttps(t, options)), 200);
});

counterpart(`${HTTPS}.test_invalid_certdata`, "certificates and keys that cannot be used", false, async (t) => {
  for (const [options, why] of [
    [{ certfile: "/none.pem" }, /there is no such file/],
    [{ cert: own.key }, /no certificate in PEM form/],
    [{ cert: own.cert }, /no private key in PEM form/],
    [{ cert: own.cert, key: other.key }, /does not belong to the certificate/],
    [{ cert: own.cert, key: encryptedKey }, /give its password/],
    [{ cert: own.cert, key: encryptedKey, password: "another" }, /cannot be read with that password/],
  ] as [HTTPSServerOptions, RegExp][])
    await assert.rejects(serveHttps(t, options), why);
});

/** The names in the first column of a table of docs/PYTHON.md. */
function casesUnder(heading: string): string[] {
  return rowsUnder(heading).flatMap(([names]) => quoted(names));
}

test("every case of Python's is asked, or excused in docs/PYTHON.md", () => {
  const excused = casesUnder("Without counterpart");
  assert.deepEqual([...covered, ...excused].sort(), [...ALL_CASES].sort());
  const otherwise = casesUnder("Different responses");
  assert.equal(new Set(otherwise).size, otherwise.length);
  for (const name of otherwise) assert.ok(covered.has(name), `${name} is in the table of differences, but not asked`);
});

test("the list of Python's cases is that of the installed Python", { skip: python.skip }, async (t) => {
  const { stdout } = await run(python.path, ["-c", LIST_CASES, ...Object.keys(PYTHON_CASES)]);
  const { version, cases } = JSON.parse(stdout) as { version: [number, number]; cases: string[] | null };
  if (cases === null) return t.diagnostic("the installed Python comes without its tests: nothing to compare with");
  const unknown = cases.filter((name) => !ALL_CASES.includes(name));
  if (version[0] === 3 && version[1] <= 14) assert.deepEqual(unknown, []);
  else if (unknown.length > 0) t.diagnostic(`Python ${version.join(".")} has more cases: ${unknown.join(", ")}`);
});
