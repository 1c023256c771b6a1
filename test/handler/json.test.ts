/** The short calls: `json`, `text`, `bytes`, `sendJson`, `sendText`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BaseHTTPRequestHandler,
  decodeText,
  HTTPError,
  HTTPServer,
  type InjectedResponse,
  type StandardSchemaV1,
  validate,
} from "plinth";
import * as z from "zod";

function post(
  body: string | Uint8Array,
  handle: (this: BaseHTTPRequestHandler) => Promise<void>,
): Promise<InjectedResponse> {
  class Handler extends BaseHTTPRequestHandler {
    do_POST(): Promise<void> {
      return handle.call(this);
    }
  }
  return new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" }).inject({ method: "POST", body });
}

test("json, text and bytes give the content", async () => {
  const echo = (body: string | Uint8Array) =>
    post(body, async function () {
      this.sendJson(await this.json());
    });
  for (const value of [{ a: [1, "é", null] }, 7, "x", null, false]) {
    assert.deepEqual((await echo(JSON.stringify(value))).json(), value);
  }
  for (const body of ["", "{", "NaN", "{'a': 1}", "\ufeff{}", Uint8Array.of(0x22, 0xff, 0x22)]) {
    const response = await echo(body);
    assert.equal(response.status, 400, String(body));
    assert.match((response.json() as { detail: string }).detail, /^The content is not (JSON: |UTF-8\.$)/);
  }
  for (const body of ["\ufeff{}", "\ufeff", "\ufeff\ufeff7", Buffer.from([0xef, 0xbb, 0xbf, 0x37])]) {
    const { detail } = (await echo(body)).json() as { detail: string };
    assert.equal(
      detail,
      "The content is not JSON: it begins with a byte order mark (U+FEFF), which must not stand before JSON.",
    );
  }
  for (const bytes of [Buffer.from("\ufeff{}", "utf16le"), Buffer.from("\ufeff{}", "utf16le").swap16()]) {
    const { detail } = (await echo(bytes)).json() as { detail: string };
    assert.equal(detail, "The content is not UTF-8: it begins with the byte order mark of UTF-16.");
  }
  assert.deepEqual((await echo('"\ufeff"')).json(), "\ufeff", "inside a string it is a character");
  const marked = await post("\ufeffx", async function () {
    this.sendJson([...(await this.text())]);
  });
  assert.deepEqual(marked.json(), ["\ufeff", "x"]);
  const text = await post("héllo €", async function () {
    this.sendText(await this.text());
  });
  assert.equal(text.text(), "héllo €");
  const notText = await post(Uint8Array.of(0xc3), async function () {
    this.sendText(await this.text());
  });
  assert.equal(notText.status, 400);
  const bytes = await post(Uint8Array.of(0, 255), async function () {
    this.sendJson([...(await this.bytes())]);
  });
  assert.deepEqual(bytes.json(), [0, 255]);
});

test("a schema gives the value its form, or 422 with everything that is wrong", async () => {
  const schema = z.object({ "a/b~c": z.number(), list: z.array(z.string()).transform((list) => list.length) });
  const count = (body: unknown) =>
    post(JSON.stringify(body), async function () {
      const { list } = await this.json(schema);
      this.sendJson(list + 1);
    });
  assert.equal((await count({ "a/b~c": 1, list: ["x", "y"] })).json(), 3);
  const wrong = await count({ "a/b~c": "1", list: ["x", 2] });
  assert.equal(wrong.status, 422);
  const { errors, detail } = wrong.json() as { errors: { pointer: string; detail: string }[]; detail: string };
  assert.deepEqual(
    errors.map(({ pointer }) => pointer),
    ["#/a~1b~0c", "#/list/1"],
  );
  assert.ok(errors.every(({ detail: one }) => one !== "" && detail.includes(one)));
  const whole = (await count([])).json() as { errors: { pointer: string }[] };
  assert.equal(whole.errors[0].pointer, "#");
});

test("any Standard Schema will do: one that is asynchronous, with keys as objects", async () => {
  const schema: StandardSchemaV1<unknown, string> = {
    "~standard": {
      version: 1,
      vendor: "us",
      validate: async (value) => {
        await Promise.resolve();
        if (value === 1) return { value: "one" };
        return { issues: [{ message: "must be 1", path: [{ key: "é" }, 0] }, { message: "so there" }] };
      },
    },
  };
  const ask = (body: string) =>
    post(body, async function () {
      this.sendText(await this.json(schema));
    });
  assert.equal((await ask("1")).text(), "one");
  assert.deepEqual((await ask("2")).json(), {
    title: "Unprocessable Content",
    status: 422,
    detail: "%C3%A9/0: must be 1; so there.",
    errors: [
      { pointer: "#/%C3%A9/0", detail: "must be 1" },
      { pointer: "#", detail: "so there" },
    ],
  });
});

/** As arktype has paths: `map` and `slice` make another by this constructor, and give it a length. */
class OwnPath extends Array<PropertyKey> {
  readonly cache = {};
  constructor(...items: PropertyKey[]) {
    super();
    this.push(...items);
  }
  toJSON(): PropertyKey[] {
    return [...this];
  }
}

/** As arktype has what is wrong, up to 2.1: it is an array, and its own result. */
class OwnErrors extends Array<{ message: string; path: readonly PropertyKey[]; toJSON?: () => unknown }> {
  constructor(context: object) {
    super();
    if (typeof context !== "object") throw new TypeError("a context is an object");
  }
  get issues(): this {
    return this;
  }
  toJSON(): unknown[] {
    return [...this].map((error) => error.toJSON!());
  }
}

test("a validator may have arrays of its own, and keys that JSON does not have", async () => {
  const pointersOf = async (paths: readonly (readonly unknown[] | undefined)[]): Promise<string[]> => {
    const issues = new OwnErrors({});
    for (const path of paths) issues.push({ message: "wrong", path: path as PropertyKey[] });
    const schema = { "~standard": { version: 1, vendor: "us", validate: () => issues } } as unknown as StandardSchemaV1;
    const response = await post("{}", async function () {
      await this.json(schema);
    });
    assert.equal(response.status, 422);
    return (response.json() as { errors: { pointer: string }[] }).errors.map(({ pointer }) => pointer);
  };
  const own = [new OwnPath(), new OwnPath("a"), new OwnPath("b", "a/b", 1), new OwnPath("")];
  assert.deepEqual(await pointersOf(own), ["#", "#/a", "#/b/a~1b/1", "#/"]);
  // As valibot has them; a member of a Set has no key, and that of a Map may be anything.
  const items = [
    undefined,
    [],
    [{ key: "a", type: "object" }, { key: 0 }],
    [{ key: "s" }, { key: null }, { key: "x" }],
  ];
  assert.deepEqual(await pointersOf(items), ["#", "#", "#/a/0", "#/s"]);
  assert.deepEqual(await pointersOf([["m", { key: {} }], ["n", Symbol("s"), "x"], [null]]), ["#/m", "#/n", "#"]);
});

test("sendJson and sendText say what they send, all of it", async () => {
  for (const [send, type, body] of [
    [(h: BaseHTTPRequestHandler) => h.sendJson({ a: "é" }), "application/json", '{"a":"é"}'],
    [(h: BaseHTTPRequestHandler) => h.sendText("é"), "text/plain; charset=utf-8", "é"],
    [(h: BaseHTTPRequestHandler) => h.sendText(""), "text/plain; charset=utf-8", ""],
    [(h: BaseHTTPRequestHandler) => h.sendJson(1, 201, { "content-type": "a/b", "X-A": 2 }), "a/b", "1"],
  ] as const) {
    const response = await post("", async function () {
      send(this);
      await new Promise((resolve) => setImmediate(resolve));
    });
    assert.deepEqual(response.headers.getAll("Content-Type"), [type]);
    assert.deepEqual(response.headers.getAll("Content-Length"), [String(Buffer.byteLength(body))]);
    assert.equal(response.text(), body);
    assert.deepEqual([response.status, response.headers.get("X-A")], type === "a/b" ? [201, "2"] : [200, null]);
  }
});

test("of one name there may be several fields", async () => {
  const response = await post("", async function () {
    this.sendText("", 200, { "Set-Cookie": ["a=1", "b=2"], "X-A": [], "X-B": [3] });
  });
  assert.deepEqual(response.headers.getAll("Set-Cookie"), ["a=1", "b=2"]);
  assert.deepEqual([response.headers.get("X-A"), response.headers.get("X-B")], [null, "3"]);
  const wrong = await post("", async function () {
    throw new HTTPError(401, { headers: { "WWW-Authenticate": ["Basic", "Bearer"] } });
  });
  assert.deepEqual([wrong.status, wrong.headers.getAll("WWW-Authenticate")], [401, ["Basic", "Bearer"]]);
});

test("what JSON cannot say, or is no text, throws before anything is sent", async () => {
  const circle: unknown[] = [];
  circle.push(circle);
  for (const value of [undefined, 1n, circle, () => {}, Symbol("s"), Promise.resolve(1)]) {
    const response = await post("", async function () {
      assert.throws(() => this.sendJson(value), TypeError);
      this.sendText("still here");
    });
    assert.equal(response.text(), "still here");
  }
  const response = await post("", async function () {
    assert.throws(() => this.sendText(7 as never), TypeError);
    assert.throws(() => this.sendText("", "200" as never), /^RangeError: cannot respond with "200": /);
    this.sendText("still here");
  });
  assert.equal(response.text(), "still here");
});

test("half a character in a name is a fault of the client's", async () => {
  const response = await post('{"\\ud800": 1}', async function () {
    this.sendJson(await this.json(z.record(z.string(), z.string())));
  });
  assert.equal(response.status, 422);
  assert.equal((response.json() as { errors: { pointer: string }[] }).errors[0].pointer, "#/%EF%BF%BD");
});

test("what is said of wrong content is not many times its size", async () => {
  const body = `[${"0,".repeat(10_000)}0]`;
  const response = await post(body, async function () {
    this.sendJson(await this.json(z.array(z.string())));
  });
  const { errors, detail } = response.json() as { errors: unknown[]; detail: string };
  assert.equal(errors.length, 20);
  assert.match(detail, /; and 9981 more\.$/);
});

test("validate does for any value what json(schema) does for content", async () => {
  const Place = z.object({ page: z.coerce.number().int(), to: z.string().optional() });
  const query = (text: string): object => Object.fromEntries(new URLSearchParams(text));
  assert.deepEqual(await validate(Place, query("page=3&to=x")), { page: 3, to: "x" }, "the schema's own form of it");
  for (const value of [query("page=x&to=y"), {}, null]) {
    const error = await validate(Place, value).then(String, (error: unknown) => error);
    assert.ok(error instanceof HTTPError);
    const response = await post("", async () => {
      throw error;
    });
    const sent = await post(JSON.stringify(value), async function () {
      await this.json(Place);
    });
    assert.deepEqual([response.status, response.json()], [422, sent.json()]);
  }
  // A schema may take its time.
  const Later = z.string().refine(async (text) => (await Promise.resolve(text)) === "yes");
  assert.equal(await validate(Later, "yes"), "yes");
  await assert.rejects(validate(Later, "no"), { name: "HTTPError", status: 422 });
});

test("decodeText does for bytes what text() does for content", () => {
  assert.equal(decodeText(new TextEncoder().encode("\ufeffhéllo €")), "\ufeffhéllo €");
  assert.equal(decodeText(Uint8Array.of()), "");
  for (const [bytes, why] of [
    [[0xc3], "."],
    [[0x22, 0xff, 0x22], "."],
    [[0xff, 0xfe, 0x78, 0], ": it begins with the byte order mark of UTF-16."],
  ] as const) {
    assert.throws(() => decodeText(Uint8Array.from(bytes)), {
      name: "HTTPError",
      status: 400,
      detail: `The content is not UTF-8${why}`,
    });
  }
});
