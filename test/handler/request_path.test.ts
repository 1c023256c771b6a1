/** `query` and `pathParams`: what a target holds beside the path that it is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {
    assert.equal(this.query, this.query);
    this.sendJson([...this.query]);
  }

  do_PARAMS(): void {
    assert.equal(this.pathParams, this.pathParams);
    this.sendJson([...this.pathParams]);
  }

  do_PATH(): void {
    this.sendJson(this.pathname);
  }

  do_CONNECT(): void {
    throw new Error(JSON.stringify([this.path, this.pathname, [...this.query], [...this.pathParams]]));
  }
}

const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });

async function ask(method: string, path: string): Promise<unknown> {
  const response = await httpd.inject({ method, path });
  return response.status === 200 ? response.json() : (response.json() as { detail: string }).detail;
}

test("query", async () => {
  for (const [path, expected] of [
    ["/", []],
    ["/?", []],
    ["/a?b=c", [["b", "c"]]],
    [
      "/?param-a=1&param-b=b+c%2B%20d&param-a=2",
      [
        ["param-a", "1"],
        ["param-b", "b c+ d"],
        ["param-a", "2"],
      ],
    ],
    ["/?a=b?c=d", [["a", "b?c=d"]]],
    ["/??a=b", [["?a", "b"]]],
    [
      "/???a=b&?c=d",
      [
        ["??a", "b"],
        ["?c", "d"],
      ],
    ],
    ["/??", [["?", ""]]],
    ["/?%3Fa=b", [["?a", "b"]]],
    ["/?&?a=b", [["?a", "b"]]],
    ["http://b??c=d", [["?c", "d"]]],
    [
      "/?%zz=%ff&a",
      [
        ["%zz", "\ufffd"],
        ["a", ""],
      ],
    ],
    ["http://b?c=d", [["c", "d"]]],
    ["http://b/?c=d", [["c", "d"]]],
  ] as const) {
    assert.deepEqual(await ask("GET", path), expected, path);
  }
});

test("pathname", async () => {
  for (const [path, expected] of [
    ["/", "/"],
    ["/a%20b/../c/?d?e", "/a%20b/../c/"],
    ["//a", "//a"],
    ["http://b", "/"],
    ["HTTPS://b:1?c/d", "/"],
    ["http://b/a/?c", "/a/"],
  ] as const) {
    assert.equal(await ask("PATH", path), expected, path);
  }
});

test("pathParams, names and values by turns", async () => {
  for (const [path, expected] of [
    ["/", []],
    ["/?a=b", []],
    [
      "/val_a/3/val_b/4/",
      [
        ["val_a", "3"],
        ["val_b", "4"],
      ],
    ],
    [
      "/val_a/3/val_b/4",
      [
        ["val_a", "3"],
        ["val_b", "4"],
      ],
    ],
    ["/a/1?b/2", [["a", "1"]]],
    ["http://b/a/1/", [["a", "1"]]],
    ["http://b", []],
    ["http://b?a/1", []],
    [
      "/a//b/2/",
      [
        ["a", ""],
        ["b", "2"],
      ],
    ],
    ["/a//", [["a", ""]]],
    [
      "/a%2Fb/c%20d+e/%C3%A9/%E2%82%AC",
      [
        ["a/b", "c d+e"],
        ["é", "€"],
      ],
    ],
    [
      "/__proto__/1/constructor/2",
      [
        ["__proto__", "1"],
        ["constructor", "2"],
      ],
    ],
    ["/a/..", [["a", ".."]]],
    ["/a", /"a" has no value/],
    ["/a/1/b/", /"b" has no value/],
    ["//1", /a name in it is empty/],
    ["//", /has no value/],
    ["/a/1/a/2", /"a" occurs twice/],
    ["/a/1/%61/2", /"a" occurs twice/],
    ["/a/%", /"%" has a bad escape/],
    ["/a/%4", /escape/],
    ["/a/%zz", /escape/],
    ["/%ff/1", /escape/],
    ["/a/%C3", /escape/],
    ["/a/%ed%a0%80", /escape/],
  ] as const) {
    const got = await ask("PARAMS", path);
    if (expected instanceof RegExp) assert.match(String(got), expected, path);
    else assert.deepEqual(got, expected, path);
  }
  assert.equal((await httpd.inject({ method: "PARAMS", path: "/a" })).status, 400);
});

test("a target that is no path has neither", async () => {
  const log: string[] = [];
  const server = new HTTPServer(["127.0.0.1", 0], Handler, { log: (line) => log.push(line) });
  assert.equal((await server.inject({ method: "CONNECT", path: "a:1" })).status, 500);
  assert.match(log[0], /\["a:1","",\[\],\[\]\]/);
});
