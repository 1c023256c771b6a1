/** What a handler knows of its request. */
import assert from "node:assert/strict";
import { Requests, Seed } from "../handlers.ts";
import type { FieldLines, Mode } from "../mode.ts";
import { connect, type Register } from "../tools.ts";

export function request(mode: Mode, test: Register, testEarly: Register): void {
  /** Field names as they arrive. */
  const arrived = (name: string): string => (mode.has.nameCase ? name : name.toLowerCase());

  test("the seed's handler adds two numbers, one request after the other", async (t) => {
    const client = await connect(t, mode, Seed);
    for (const [val_a, val_b] of [
      [3, 4],
      [0.5, -1],
      ["a", "b"],
    ]) {
      const response = await client.request({ body: JSON.stringify({ val_a, val_b }) });
      assert.deepEqual([response.status, response.headers.get("content-type")], [200, "application/json"]);
      assert.equal(response.text, JSON.stringify({ sum: (val_a as number) + (val_b as number) }));
      assert.equal(response.headers.get("content-length"), String(response.body.length));
    }
    assert.equal((await client.request({ body: "{" })).status, 500);
    assert.equal((await client.request()).status, 500, "without content there is nothing to add");
  });

  test("method, path, version and request line are what was sent, nothing decoded", async (t) => {
    const client = await connect(t, mode, Requests);
    for (const path of [
      "/",
      "/a%20b?c=d&e=%c3%a9",
      "//c/../d/./e",
      "/%",
      "/?",
      "/a?b?c",
      "/?f[]=1|2",
      "/:;,@!$&'()*+=",
    ]) {
      const seen = (await client.request({ path })).json();
      const line = `GET ${path} ${mode.version}`;
      assert.deepEqual([seen.method, seen.path, seen.version, seen.line], ["GET", path, mode.version, line]);
    }
  });

  test("authority is what the target names, else the Host field", async (t) => {
    const client = await connect(t, mode, Requests);
    for (const [path, authority] of [
      ["/", "localhost"],
      ["http://b:81/c?d", "b:81"],
      ["https://[::1]", "[::1]"],
    ]) {
      const seen = (await client.request({ path })).json();
      assert.deepEqual([seen.authority, seen.path], [authority, path]);
    }
  });

  test("query has the names and values behind the first question mark, decoded, in their order", async (t) => {
    const client = await connect(t, mode, Requests);
    for (const [path, query] of [
      ["/", []],
      ["/?", []],
      ["/a=b&c=d", []],
      [
        "/?b=1&a=2&b=3",
        [
          ["b", "1"],
          ["a", "2"],
          ["b", "3"],
        ],
      ],
      [
        "/a?b=x+y%26z%3d&%e2%82%ac=%C3%A9&empty=&none",
        [
          ["b", "x y&z="],
          ["€", "é"],
          ["empty", ""],
          ["none", ""],
        ],
      ],
      ["/?a=b?c=d", [["a", "b?c=d"]]],
      [
        "/??a=1&b=2",
        [
          ["?a", "1"],
          ["b", "2"],
        ],
      ],
    ] as const) {
      const seen = (await client.request({ path })).json();
      assert.deepEqual(seen.query, query, path);
      assert.equal(seen.isQuery, true);
    }
  });

  test("pathParams takes names and values by turns from the path, decoded", async (t) => {
    const client = await connect(t, mode, Requests);
    for (const [path, params] of [
      ["/", []],
      [
        "/val_a/3/val_b/4/",
        [
          ["val_a", "3"],
          ["val_b", "4"],
        ],
      ],
      ["/val_a/3", [["val_a", "3"]]],
      ["/val_a/3?val_b=4", [["val_a", "3"]]],
      [
        "/a%2fb/c%20d/%e2%82%ac/a+b",
        [
          ["a/b", "c d"],
          ["€", "a+b"],
        ],
      ],
      ["/__proto__/1", [["__proto__", "1"]]],
    ] as const) {
      const seen = (await client.request({ method: "PARAMS", path })).json();
      assert.deepEqual(seen, { params, isSame: true }, path);
    }
  });

  for (const [what, paths] of [
    ["a name without a value", ["/a", "/a/", "/a/1/b", "/a/1/b/"]],
    ["a name twice", ["/a/1/a/2", "/a/1/%61/2"]],
    ["an empty name", ["//1", "/a/1//2"]],
    ["a bad escape", ["/a/%", "/a/%4", "/a/%zz", "/%zz/1", "/a/%ff", "/a/%c3%28"]],
  ] as const) {
    test(`pathParams with ${what} is a 400 that says so`, async (t) => {
      const client = await connect(t, mode, Requests);
      for (const path of paths) {
        const response = await client.request({ method: "PARAMS", path });
        assert.equal(response.status, 400, path);
        assert.match(response.json().detail, /path/);
      }
      assert.equal((await client.request({ path: paths[0] })).status, 200, "who does not ask for them is not bothered");
    });
  }

  test("headers are found whatever the case of their names: the first by get, all by getAll, their elements by list", async (t) => {
    const client = await connect(t, mode, Requests);
    const headers: FieldLines = [
      ["X-A", "1"],
      ["x-empty", ""],
      ["x-a", 'caf\xe9, "2"'],
      ["X-B", "  \t 3 \t "],
    ];
    const asked = ["x-a", "X-A", "X-EMPTY", "x-b", "x-none", "", "toString"];
    const path = `/?${asked.map((name) => `header=${name}`).join("&")}`;
    const seen = (await client.request({ path, headers })).json();
    assert.deepEqual(seen.get, ["1", "1", "", "3", null, null, null]);
    assert.deepEqual(seen.getAll, [["1", 'caf\xe9, "2"'], ["1", 'caf\xe9, "2"'], [""], ["3"], [], [], []]);
    const elements = ["1", "caf\xe9", '"2"'];
    assert.deepEqual(seen.list, [elements, elements, [], ["3"], [], [], []]);
    assert.deepEqual(seen.has, [true, true, true, true, false, false, false]);
  });

  test("headers come in their order, each with its own name, also those that stand twice", async (t) => {
    const client = await connect(t, mode, Requests);
    const headers: FieldLines = [
      ["X-Z", "1"],
      ["x-a", "2"],
      ["X-z", "3"],
      ["X-M", "4"],
      ["X-Z", "1"],
    ];
    const seen = (await client.request({ headers })).json();
    const ours = (seen.headers as string[][]).filter(([name]) => name.toLowerCase().startsWith("x-"));
    assert.deepEqual(
      ours,
      headers.map(([name, value]) => [arrived(name), value]),
    );
    assert.equal(seen.length, seen.headers.length);
  });

  test("clientAddress is the client's, server is the server", async (t) => {
    const served = await mode.serve(t, Requests);
    const clients = [await served.client(), await served.client()];
    for (const client of [...clients, ...clients]) {
      const seen = (await client.request()).json();
      assert.deepEqual(seen.client, client.address);
      assert.deepEqual([seen.server, seen.isServer], [served.address, true]);
      assert.ok(seen.server[1] > 0, "the port is a real one");
    }
    assert.notDeepEqual(clients[0].address, clients[1].address);
  });

  test("signal is one AbortSignal, not aborted while the client is there", async (t) => {
    const client = await connect(t, mode, Requests);
    const seen = (await client.request()).json();
    assert.deepEqual([seen.isSignal, seen.aborted], [true, false]);
  });

  testEarly("headers that are kept still show their own request after many others", async (t) => {
    const served = await mode.serve(t, Requests);
    const valueOf = (i: number): string => `${i}-${"x".repeat((i * 37) % 900)}`;
    const kept = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const client = await served.client();
        const headers: FieldLines = [["X-Number", valueOf(i)]];
        const exchange = await client.open({ method: "KEEP", path: `/${i}?n=${i}`, headers }, "unknown");
        await exchange.head();
        return exchange;
      }),
    );
    const others = [await served.client(), await served.client()];
    for (let i = 100; i < 160; i++) {
      const headers: FieldLines = [["X-Number", valueOf(i)]];
      const responses = await Promise.all(
        others.map((client) => client.request({ path: `/?header=x-number`, headers })),
      );
      for (const response of responses) assert.deepEqual(response.json().get, [valueOf(i)]);
    }
    for (const [i, exchange] of kept.entries()) {
      await exchange.send("overwrites whatever was read before".repeat(20));
      await exchange.end();
      const seen = (await exchange.response()).json();
      assert.deepEqual([seen.path, seen.query], [`/${i}?n=${i}`, [["n", String(i)]]]);
      assert.equal(seen.get, valueOf(i));
      const ours = (seen.headers as string[][]).filter(([name]) => name.toLowerCase().startsWith("x-"));
      assert.deepEqual(ours, [[arrived("X-Number"), valueOf(i)]]);
    }
  });
}
