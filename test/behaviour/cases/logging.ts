/** The log: lines as Python's http.server writes them, and none that a request could forge. */
import assert from "node:assert/strict";
import { FORGED, Logging, OwnLog } from "../handlers.ts";
import type { Client, Mode, Served } from "../mode.ts";
import { logged, type Register, until } from "../tools.ts";

const DATE = /^\[(\d\d)\/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\/(\d{4}) (\d\d:\d\d:\d\d)\] /;

/** What the log's lines say, once there are so many, behind whose they are and when. */
async function messages(served: Served, count: number, who: string): Promise<string[]> {
  await until(() => served.log().length >= count, `${count} lines`);
  return served.log().map((line) => {
    assert.ok(line.startsWith(`${who} - - [`), line);
    const rest = line.slice(`${who} - - `.length);
    assert.match(rest, DATE);
    return rest.replace(DATE, "");
  });
}

export function logging(mode: Mode, test: Register): void {
  const lineOf = (client: Client, path: string, status: number, size: number | "-" = "-"): [string, string] => [
    client.address[0],
    `"GET ${path} ${mode.version}" ${status} ${size}`,
  ];

  test("each request is a line: who, when, the request line, the status, how much was sent", async (t) => {
    const served = await mode.serve(t, Logging);
    const client = await served.client();
    await client.request({ path: "/?a=b%20c" });
    await client.request({ path: "/made" });
    const [who, first] = lineOf(client, "/?a=b%20c", 200, 5);
    assert.deepEqual(await messages(served, 2, who), [first, lineOf(client, "/made", 201)[1]]);
  });

  test("the time in it is the local one", async (t) => {
    const served = await mode.serve(t, Logging);
    const before = Date.now();
    await (await served.client()).request();
    const [, day, month, year, time] = await logged(served, /\[(\d\d)\/(\w+)\/(\d+) ([\d:]+)\]/);
    const at = Date.parse(`${month} ${day} ${year} ${time}`); // read as local time
    assert.ok(at >= before - 2000 && at <= Date.now() + 1000, time);
  });

  test("an error is a line of its own before that of its response", async (t) => {
    const served = await mode.serve(t, Logging);
    const client = await served.client();
    await client.request({ path: "/missing" });
    await client.request({ path: "/error" });
    const [who, missing] = lineOf(client, "/missing", 404, 35);
    assert.deepEqual(await messages(served, 4, who), [
      "code 404, message Not Found",
      missing,
      "code 422, message Not\\x0d\\x0aNumbers",
      lineOf(client, "/error", 422, 75)[1],
    ]);
  });

  test("lines come in the order in which they were written, behind a response that was taken back as well", async (t) => {
    for (const [path, status, lines] of [
      ["/order/retracted", 503, ["1", "code 503, message 2"]],
      ["/order/written", 503, ["1", "code 503, message 2"]],
      ["/order/whole", 503, ["1", "code 503, message 2"]],
      ["/order/later", 503, ["0", "1", "code 503, message 2"]],
      ["/order/large", 200, ["0", "1", "2", "3"]],
      ["/order/cut", null, ["0", "1", "2"]],
    ] as const) {
      const served = await mode.serve(t, Logging);
      const client = await served.client();
      const asked = client.request({ path });
      if (status === null) await asked.catch(() => {});
      else assert.equal((await asked).status, status);
      const said = await messages(served, lines.length + 1, client.address[0]);
      assert.deepEqual(said.slice(0, lines.length), lines, path);
      assert.match(said.at(-1)!, /^"GET \/order\//);
    }
  });

  test("logMessage and logError fill in their arguments, and control characters are escaped", async (t) => {
    const served = await mode.serve(t, Logging);
    const client = await served.client();
    const path = "/messages?said=%250d%250a127.0.0.1%2520-%2520-%2520forged";
    await client.request({ path });
    const [who, line] = lineOf(client, path, 200, 5);
    assert.deepEqual(await messages(served, 6, who), [
      "plain",
      "text and 7",
      "wrong: x",
      "a\\x0d\\x0ab\\x1b[2J\\x00\\x7f\\x9b\\\\c\\x09é",
      "\\x0d\\x0a127.0.0.1 - - forged",
      line,
    ]);
  });

  test("what a handler threw is there with its stack and cause, and cannot be taken for another's line", async (t) => {
    const served = await mode.serve(t, Logging);
    await (await served.client()).request({ path: "/bug" });
    const { input } = await logged(served, /Error: out/);
    const [first, ...rest] = input.split("\n");
    assert.ok(first.endsWith("Error: out"), first);
    assert.match(input, /handlers[\\/]+logging[^]*RangeError: in[^]*handlers[\\/]+logging/);
    assert.ok(rest.length > 3 && rest.every((line) => line.startsWith("    ")), input);
    await logged(served, /code 500/);
  });

  test("what a client says begins no line of the log, whichever way it gets there", async (t) => {
    const served = await mode.serve(t, Logging);
    const client = await served.client();
    const forgeries = [
      `\n    ${FORGED}`,
      `\n${FORGED}`,
      `a\r${FORGED}`,
      `\u2028    ${FORGED}\u2029${FORGED}`,
      `\x85${FORGED}\x0b`,
    ];
    for (const way of ["message", "title", "error", "stack", "thrown", "words", "object"]) {
      for (const said of forgeries) {
        const before = served.log().length;
        const path = `/forging/${way}?said=${encodeURIComponent(said)}`;
        await client.request({ path });
        await until(() => served.log().at(-1)?.includes(path) === true, "the line of the response");
        const text = served.log().slice(before).join("\n");
        // Whatever a program takes for an end of a line.
        for (const line of text.split(/[\n\r\v\f\x85\u2028\u2029]/)) assert.ok(!line.startsWith(FORGED), text);
        assert.match(text, /^[\n\x20-\x7e]+$/);
        assert.ok(text.replaceAll(path, "").includes("GET /admin"), text);
        // Only the stack of an error has lines of its own.
        const below = text.split("\n").filter((line) => line.startsWith("    "));
        assert.equal(below.length > 0, way === "stack" || way === "thrown", text);
      }
    }
  });

  test("so is the cause of an HTTPError; one without is only its line", async (t) => {
    const served = await mode.serve(t, Logging);
    const client = await served.client();
    await client.request({ path: "/missing" });
    await logged(served, /" 404 /);
    assert.equal(served.log().length, 2);
    await client.request({ path: "/cause" });
    await logged(served, /TypeError: the cause/);
    await logged(served, /code 503, message Service Unavailable/);
  });

  test("what the protocol refuses is a line with its code and status", async (t) => {
    const served = await mode.serve(t, Logging, { maxTargetSize: 100 });
    const client = await served.client();
    assert.equal((await client.request({ path: `/${"x".repeat(100)}` })).status, 414);
    const { input } = await logged(served, /refused: TARGET_TOO_LONG, 414\. /);
    assert.ok(input.startsWith("- - - [") && input.includes(client.address[0]), input);
    assert.doesNotMatch(input, /xxx/);
  });

  test("a class may log in its own way", async (t) => {
    const served = await mode.serve(t, OwnLog);
    const client = await served.client();
    await client.request();
    await client.request({ path: "/missing" });
    assert.deepEqual(await messages(served, 3, "somebody"), [
      "responds / with 200",
      "mine: code 404, message Not Found",
      "responds /missing with 404",
    ]);
  });
}
