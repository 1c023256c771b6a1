/** The responses of the addition's handler to what may come in content, path and query. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Gate } from "../../server/support.ts";
import { ask, FORM_TYPE, JSON_TYPE, type Reply } from "./support.ts";

type Headers = Readonly<Record<string, string>> | [string, string][];

/** Every way to say two numbers: method and target, fields, content. */
function ways(a: string, b: string): [target: string, headers: Headers, body?: string][] {
  const json = `{"val_a": ${a}, "val_b": ${b}}`;
  const [x, y] = [encodeURIComponent(a), encodeURIComponent(b)];
  return [
    ["GET /", JSON_TYPE, json],
    ["GET /", {}, json],
    ["POST /", JSON_TYPE, json],
    ["POST /", {}, json],
    ["QUERY /", JSON_TYPE, json],
    ["POST /", FORM_TYPE, `val_a=${x}&val_b=${y}`],
    ["GET /", FORM_TYPE, `val_a=${x}&val_b=${y}`],
    ["QUERY /", FORM_TYPE, `val_b=${y}&val_a=${x}`],
    [`GET /val_a/${x}/val_b/${y}/`, {}],
    [`GET /?val_a=${x}&val_b=${y}`, {}],
    [`POST /val_b/${y}/val_a/${x}`, {}],
    [`POST /?val_b=${y}&val_a=${x}`, {}],
    [`QUERY /?val_b=${y}&val_a=${x}`, JSON_TYPE],
    [`GET /val_a/${x}/?val_b=${y}`, {}],
    [`POST /?val_a=${x}`, JSON_TYPE, `{"val_b": ${b}}`],
  ];
}

describe("sums", () => {
  const big = "9".repeat(4300);
  for (const [a, b, sum] of [
    ["3", "4", "7"],
    ["-3", "3", "0"],
    ["-0", "-0", "0"],
    ["3.0", "4", "7.0"],
    ["-0.0", "-0.0", "-0.0"],
    ["1e3", "-0.5", "999.5"],
    ["1E+21", "0", "1e+21"],
    ["12345678901234567890123", "1", "12345678901234567890124"],
    ["9007199254740993", "0.0", "9007199254740992.0"],
    ["5e-324", "0", "5e-324"],
    ["1e-400", "1", "1.0"],
    ["1.7976931348623157e308", "1", "1.7976931348623157e+308"],
    [`1${"0".repeat(400)}`, "1", `1${"0".repeat(399)}1`],
  ] as const) {
    test(`${a.slice(0, 40)} + ${b}, in every way`, async () => {
      for (const [target, headers, body] of ways(a, b)) {
        const reply = await ask(target, headers, body);
        assert.deepEqual([reply.status, reply.sum], [200, sum], `${target} ${body}`);
        assert.equal(reply.headers.get("Content-Type"), "application/json");
        assert.equal(reply.headers.has("Vary"), false);
      }
    });
  }

  test("4,300 digits, and no more", async () => {
    for (const sign of ["", "-"]) {
      for (const [target, headers, body] of ways(sign + big, sign + "1").filter(([path]) => path.length < 8000)) {
        assert.equal((await ask(target, headers, body)).sum, `${sign}1${"0".repeat(4300)}`, target.slice(0, 20));
      }
      for (const [target, headers, body] of ways("1", `${sign}${big}0`)) {
        const reply = await ask(target, headers, body);
        assert.deepEqual([reply.status, reply.pointers], [422, ["#/val_b"]], target.slice(0, 20));
      }
    }
    assert.deepEqual((await ask("POST /", JSON_TYPE, `{"val_a": 1.5, "val_b": ${big}0}`)).pointers, ["#/val_b"]);
    assert.equal((await ask("POST /", JSON_TYPE, `{"val_a": 1, "val_b": 2, "c": ${big}0}`)).sum, "3");
  });
});

function unprocessable(reply: Reply, pointers: readonly string[], what: string): void {
  assert.deepEqual([reply.status, reply.pointers], [422, pointers], what);
  const { title, status, detail, errors } = reply.json() as {
    title: string;
    status: number;
    detail: string;
    errors: { detail: string }[];
  };
  assert.deepEqual([title, status], ["Unprocessable Content", 422]);
  for (const [i, error] of errors.entries()) {
    const where = pointers[i] === "#" ? "" : `${pointers[i].slice(2)}: `;
    assert.ok(detail.includes(where + error.detail), detail);
  }
  assert.ok(detail.length < 400);
}

describe("422", () => {
  test("JSON that is not two numbers", async () => {
    for (const [content, pointers] of [
      ["{}", ["#/val_a", "#/val_b"]],
      ['{"val_a": 3}', ["#/val_b"]],
      ['{"val_a": "3", "val_b": 4}', ["#/val_a"]],
      ['{"val_a": "", "val_b": 4}', ["#/val_a"]],
      ['{"val_a": true, "val_b": 4}', ["#/val_a"]],
      ['{"val_a": 3, "val_b": null}', ["#/val_b"]],
      ['{"val_a": [3], "val_b": {"x": 1}}', ["#/val_a", "#/val_b"]],
      ['{"__proto__": {"val_a": 3, "val_b": 4}}', ["#/val_a", "#/val_b"]],
      ['{"val_a": 3, "VAL_B": 4}', ["#/val_b"]],
      [`{"val_a": "${"x".repeat(60_000)}", "val_b": 4}`, ["#/val_a"]],
      ["[3, 4]", ["#"]],
      ["null", ["#"]],
      ["7", ["#"]],
      ['"val_a=3&val_b=4"', ["#"]],
      ["true", ["#"]],
    ] as const) {
      for (const method of ["GET", "POST", "QUERY"]) {
        unprocessable(await ask(`${method} /`, JSON_TYPE, content), pointers, `${method} ${content.slice(0, 80)}`);
      }
    }
  });

  test("what is beyond the range of a double, where there is one", async () => {
    const beyond = `1${"0".repeat(309)}`;
    for (const [a, b, pointers] of [
      ["1e999", "4", ["#/val_a"]],
      ["3", "-1e309", ["#/val_b"]],
      ["1e999", "-1e999", ["#/val_a", "#/val_b"]],
      ["1e308", "1e308", ["#"]],
      ["-1.7976931348623157e308", "-1e300", ["#"]],
      [beyond, "0.5", ["#/val_a"]],
      ["0e0", `-${beyond}`, ["#/val_b"]],
    ] as const) {
      for (const [target, headers, body] of ways(a, b)) {
        unprocessable(await ask(target, headers, body), pointers, `${target} ${body}`);
      }
    }
  });

  test("texts that are no numbers in a form, a path and a query", async () => {
    const texts = [
      "",
      "x",
      "+3",
      "%2B3",
      "+3+",
      ".5",
      "1.",
      "0x10",
      "007",
      "1_0",
      "NaN",
      "Infinity",
      "null",
      "%223%22",
    ];
    for (const text of texts) {
      unprocessable(await ask(`GET /?val_a=${text}&val_b=4`), ["#/val_a"], text);
      unprocessable(await ask("POST /", FORM_TYPE, `val_b=${text}&val_a=4`), ["#/val_b"], text);
      unprocessable(await ask(`GET /val_a/${text}/val_b/${text}/`), ["#/val_a", "#/val_b"], text);
    }
    unprocessable(await ask("GET /?val_a&val_b=4"), ["#/val_a"], "no value");
    unprocessable(await ask("GET /?val_a=%FF&val_b=%zz"), ["#/val_a", "#/val_b"], "bad escapes");
  });

  test("what is missing where there is no content", async () => {
    const both = ["#/val_a", "#/val_b"];
    for (const target of [
      "GET /",
      "GET /?",
      "GET /?x=1",
      "GET /?VAL_A=3",
      "GET /?=3",
      "GET http://a",
      "GET http://a/?x",
    ]) {
      unprocessable(await ask(target), both, target);
    }
    assert.equal((await ask("HEAD /")).status, 422);
    for (const method of ["GET", "POST", "QUERY"]) unprocessable(await ask(`${method} /`, FORM_TYPE), both, method);
    unprocessable(await ask("POST /", FORM_TYPE, "x=1&&=&val_a"), both, "a form");
    unprocessable(await ask("GET /?val_a=3"), ["#/val_b"], "a query");
    unprocessable(await ask("GET /??val_a=1&val_b=2"), ["#/val_a"], "a name that begins with a question mark");
    unprocessable(await ask("GET /???val_a=1&?val_b=2"), both, "names that do");
    for (const method of ["GET", "POST", "QUERY"])
      unprocessable(await ask(`${method} /`, FORM_TYPE, "?val_a=1&val_b=2"), ["#/val_a"], `${method} of such a form`);
    unprocessable(await ask("POST /val_b/3/"), ["#/val_a"], "a path");
    unprocessable(await ask("POST /x/val_a"), both, "a path where it stands for a value");
    for (const [target, content, missing] of [
      ["/", '{"val_a": 3, "val_b": 4}', both],
      ["/", ' \r\n["val_a", 3]', both],
      ["/?val_a=3", '{"val_b": 4}', ["#/val_b"]],
    ] as const) {
      const reply = await ask(`POST ${target}`, FORM_TYPE, content);
      unprocessable(reply, missing, "JSON as a form");
      assert.match(
        (reply.json() as { detail: string }).detail,
        /looks like JSON.* send it with Content-Type: application\/json\.$/,
      );
    }
    assert.equal((await ask("POST /?val_a=3&val_b=4", FORM_TYPE, "{}")).status, 200, "nothing is missing");
    unprocessable(await ask("GET /favicon.ico?val_a=3"), ["#/val_b"], "a query behind another path");
  });

  test("a page for people says it too", async () => {
    const reply = await ask("GET /?val_a=<b>&val_b=4".replace(/[<>]/g, encodeURIComponent), { Accept: "text/html" });
    assert.deepEqual([reply.status, reply.headers.get("Content-Type")], [422, "text/html; charset=utf-8"]);
    assert.match(reply.text(), /val_a: must be a number, such as 3, -0\.5 or 1e3, not &#34;&#60;b&#62;&#34;\./);
  });
});

describe("400", () => {
  test("content that is not JSON", async () => {
    for (const content of [
      "",
      " ",
      "{",
      "NaN",
      '{"val_a": NaN, "val_b": 4}',
      '{"val_a": 03, "val_b": 4}',
      "val_a=3&val_b=4",
    ]) {
      for (const method of ["POST", "QUERY"]) {
        assert.equal((await ask(`${method} /`, JSON_TYPE, content)).status, 400, `${method} ${content}`);
      }
    }
    assert.equal((await ask("POST /")).status, 400, "nothing at all");
    assert.equal((await ask("GET /", JSON_TYPE)).status, 400, "nothing, said to be JSON");
    assert.equal((await ask("POST /?x=1")).status, 400, "nothing, and nothing of use in the query");
    const deep = '{"val_a": 3, "val_b": 4, "x": ' + "[".repeat(32_000) + "]".repeat(32_000) + "}";
    assert.equal((await ask("POST /", JSON_TYPE, deep)).status, 400, "too deep");
  });

  test("names that stand twice", async () => {
    for (const content of [
      '{"val_a": 3, "val_b": 4, "val_b": 5}',
      '{"val_a": 3, "val_b": 4, "val_b": 4}',
      '{"val_a": 3, "val_b": 4, "x": [{"y": 1, "y": 1}]}',
    ]) {
      assert.equal((await ask("POST /", JSON_TYPE, content)).status, 400, content);
    }
  });

  test("bytes that are not UTF-8, and a byte order mark", async () => {
    const json = '{"val_a": 3, "val_b": 4, "x": "?"}';
    for (const bytes of ["\xff", "\xc0\x80", "\xed\xa0\x80", "\xe9"]) {
      const content = Buffer.from(json.replace("?", bytes), "latin1");
      assert.match((await ask("POST /", JSON_TYPE, content)).text(), /UTF-8/);
    }
    assert.equal((await ask("POST /", JSON_TYPE, Buffer.from(json.replace("?", "é")))).sum, "7");
    for (const method of ["GET", "POST", "QUERY"]) {
      for (const marked of [`\ufeff${json}`, "\ufeff", "\ufeff\ufeff{}", '\ufeff{"val_a":3,"val_b":4}']) {
        const reply = await ask(`${method} /`, JSON_TYPE, marked);
        assert.equal(reply.status, 400);
        assert.match(
          reply.text(),
          /: it begins with a byte order mark \(U\+FEFF\), which must not stand before JSON\."/,
        );
      }
    }
    assert.equal(
      (await ask("POST /", JSON_TYPE, json.replace("?", "\ufeff"))).sum,
      "7",
      "in a string it is a character",
    );
    assert.equal((await ask("POST /", JSON_TYPE, Buffer.from(json, "utf16le"))).status, 400);
    const utf16 = Buffer.from(`\ufeff${json}`, "utf16le");
    for (const bytes of [utf16, Buffer.from(utf16).swap16()])
      assert.match((await ask("POST /", JSON_TYPE, bytes)).text(), /not UTF-8: .*the byte order mark of UTF-16\./);
    assert.equal((await ask("POST /", FORM_TYPE, Buffer.from("val_a=3&val_b=4&x=\xff", "latin1"))).status, 400);
  });

  test("operands that are given twice", async () => {
    const json = '{"val_a": 3, "val_b": 4}';
    for (const [target, headers, body] of [
      ["POST /?val_a=3&val_b=4", JSON_TYPE, json],
      ["GET /?val_a=3", JSON_TYPE, json],
      ["POST /val_a/3/val_b/4/", JSON_TYPE, json],
      ["POST /val_b/4/", FORM_TYPE, "val_a=3&val_b=4"],
      ["GET /val_a/3/val_b/4/?val_a=3&val_b=4", {}],
      ["GET /val_a/3/val_b/4/?val_b=", {}],
      ["GET /?val_a=3&val_b=4&val_a=3", {}],
      ["GET /?val_a=3&val_b=4&val%5Fa=5", {}],
      ["POST /", FORM_TYPE, "val_a=3&val_b=4&val_b=4"],
      ["GET /val_a/3/val_b/4/val_a/3", {}],
    ] as const) {
      const reply = await ask(target, headers, body);
      assert.equal(reply.status, 400, target);
      assert.match(reply.text(), /val_[ab].* twice/);
    }
  });

  test("paths of operands that cannot be read", async () => {
    for (const path of [
      "/val_a",
      "/val_a/3/val_b",
      "/val_a/3/val_b/",
      "/x/val_a/3",
      "/val_a/%zz/val_b/4",
      "/val_a/3//val_b/4",
    ]) {
      assert.equal((await ask(`GET ${path}`)).status, 400, path);
    }
  });

  test("a QUERY without a Content-Type, and two types", async () => {
    for (const target of ["QUERY /", "QUERY /?val_a=3&val_b=4", "QUERY /favicon.ico"]) {
      assert.match((await ask(target)).text(), /"status":400.*Content-Type/);
    }
    assert.equal((await ask("QUERY /", {}, '{"val_a": 3, "val_b": 4}')).status, 400);
    const twice: Headers = [...Object.entries(JSON_TYPE), ...Object.entries(JSON_TYPE)];
    assert.equal((await ask("POST /", twice, '{"val_a": 3, "val_b": 4}')).status, 400);
  });
});

describe("415", () => {
  test("however odd the type: 30,000 spaces are read once", async () => {
    const headers = { "Content-Type": `a${" ".repeat(30_000)}b` };
    for (let i = 0; i < 100; i++) assert.equal((await ask("POST /", headers, "{}")).status, 415);
  });

  test("another type", async () => {
    for (const type of [
      "text/plain",
      "application/jsonp",
      "application/json+x",
      "application/json x",
      "application/json\xa0",
      "\xa0application/json",
      "application/json, application/json",
      "application/jsonapplication/json",
      "application/json\xa0; charset=utf-8",
      "application /json",
      "json",
      "*/*",
      "",
    ]) {
      for (const target of ["GET /", "POST /", "QUERY /", "POST /?val_a=3&val_b=4", "POST /x"]) {
        const reply = await ask(target, { "Content-Type": type }, '{"val_a": 3, "val_b": 4}');
        assert.equal(reply.status, 415, `${target} ${type}`);
        for (const field of ["Accept", "Accept-Query"])
          assert.equal(reply.headers.get(field), "application/json, application/x-www-form-urlencoded");
      }
    }
    assert.equal((await ask("POST /", { "Content-Type": "text/plain" })).status, 415, "and where it lacks");
    assert.equal(
      (await ask("GET /?val_a=3&val_b=4", { "Content-Type": "text/plain" })).sum,
      "7",
      "unless none is needed",
    );
  });

  test("it comes before the content, which a client may wait to send", async () => {
    for (const target of ["POST /", "POST /x", "POST /?val_a=3&val_b=4"]) {
      const responded = new Gate();
      async function* content(): AsyncGenerator<string> {
        await responded.opened;
        yield "{}";
      }
      const type = { "Content-Type": "text/plain", Expect: "100-continue" };
      const { status, informational } = await ask(target, type, content());
      assert.deepEqual([status, informational], [415, []], target);
      responded.open();
    }
  });

  test("parameters and upper case make no other type", async () => {
    for (const type of ["application/json;charset=utf-8", "Application/JSON ; a=b", "application/json;"]) {
      assert.equal((await ask("POST /", { "Content-Type": type }, '{"val_a": 3, "val_b": 4}')).sum, "7", type);
    }
    for (const type of ["application/x-www-form-urlencoded; charset=UTF-8", "APPLICATION/X-WWW-FORM-URLENCODED"]) {
      assert.equal((await ask("POST /", { "Content-Type": type }, "val_a=3&val_b=4")).sum, "7", type);
    }
  });

  test("content that is encoded", async () => {
    const json = '{"val_a": 3, "val_b": 4}';
    const send = (...codings: string[]) =>
      ask(
        "POST /",
        [...Object.entries(JSON_TYPE), ...codings.map((one): [string, string] => ["Content-Encoding", one])],
        json,
      );
    for (const codings of [
      ["gzip"],
      ["identity, br"],
      ["identityx"],
      ["xidentity"],
      ["IDENTITY gzip"],
      ["identityidentity"],
      ["identity identity"],
      ["identity\tidentity"],
      ["identity, identityidentity"],
      ["identity;q=1"],
      ["identity\xa0"],
      ["iden,tity"],
      ["*"],
      ["identity", "gzip"],
      ["identity", "identityidentity"],
      ["", "br"],
    ]) {
      const { status, headers } = await send(...codings);
      assert.deepEqual([status, headers.get("Accept-Encoding")], [415, "identity"], codings.join(" | "));
    }
    for (const codings of [
      ["identity"],
      ["Identity"],
      ["identity, identity"],
      ["IDENTITY\t,identity,identitY"],
      [",, identity ,"],
      [""],
      ["", ""],
      ["identity", "identity"],
      [" , "],
    ]) {
      assert.equal((await send(...codings)).sum, "7", codings.join(" | "));
    }
    const long = ["identity,".repeat(3000), `${" ".repeat(30_000)}x`, " ,".repeat(15_000)];
    for (let i = 0; i < 100; i++) for (const coding of long) await send(`identity,${coding}`);
  });
});

describe("paths", () => {
  test("another path is discarded where there is content, or a query with operands", async () => {
    const json = '{"val_a": 3, "val_b": 4}';
    for (const path of ["/add", "/add/", "/a/b/c", "/%zz", "/val_ab/9", "//", "/add/val", "http://a/add", "http://a"]) {
      for (const method of ["GET", "POST", "QUERY"]) {
        assert.equal((await ask(`${method} ${path}`, JSON_TYPE, json)).sum, "7", `${method} ${path}`);
      }
      assert.equal((await ask(`GET ${path}?val_a=3&val_b=4`)).sum, "7", path);
    }
  });

  test("404 for another path where there is nothing to add", async () => {
    for (const target of ["GET /favicon.ico", "HEAD /add", "POST /add", "GET /add?x=1", "GET //", "QUERY /add"]) {
      assert.equal((await ask(target, target.startsWith("QUERY") ? JSON_TYPE : {})).status, 404, target);
    }
  });

  test("names that are none of the two are ignored", async () => {
    for (const [target, headers, body] of [
      ["GET /x/1/val_a/3/y/2/val_b/4", {}],
      ["GET /?x=1&val_a=3&x=2&val_b=4", {}],
      ["POST /", FORM_TYPE, "x=1&val_a=3&x=2&val_b=4"],
      ["POST /?x=1", JSON_TYPE, '{"val_a": 3, "val_b": 4, "x": [null]}'],
      ["POST /?val_a=3&val_b=4", JSON_TYPE, '{"x": "y"}'],
      ["GET /?val_a=3&val_b=4", {}, "{}"],
    ] as const) {
      assert.equal((await ask(target, headers, body)).sum, "7", target);
    }
  });

  test("escapes, and the absolute form", async () => {
    for (const target of [
      "GET /%76al_a/%33/val%5Fb/4",
      "GET /?val%5fa=%33&val_b=4",
      "GET http://localhost/val_a/3/val_b/4/?x",
      "GET http://localhost?val_a=3&val_b=4",
    ]) {
      assert.equal((await ask(target)).sum, "7", target);
    }
  });
});

test("RICKROLL, in the spirit of the post", async () => {
  const reply = await ask("RICKROLL /");
  assert.deepEqual([reply.status, reply.headers.get("Content-Type")], [200, "text/plain; charset=utf-8"]);
  assert.match(reply.text(), /^Never gonna give you up/);
  assert.equal((await ask("rickroll /")).status, 501);
});

test("nothing that comes in brings a 500", async () => {
  const pieces = [
    "",
    "{",
    "}",
    "[",
    '"',
    "val_a",
    "val_b",
    ":",
    "=",
    "&",
    "3",
    "1e999",
    "\0",
    "é",
    "%",
    "\\u",
    "__proto__",
  ];
  const statuses = new Set<number>();
  for (const one of pieces) {
    for (const other of pieces) {
      for (const type of [JSON_TYPE, FORM_TYPE]) statuses.add((await ask("POST /", type, one + other)).status);
      const path = encodeURI(one + other).replace(/[[\]#]/g, "");
      for (const target of [`GET /${path}`, `GET /val_a/${path}`, `GET /?${path}`, `GET /?val_a=${path}`])
        statuses.add((await ask(target)).status);
    }
  }
  assert.deepEqual([...statuses].sort(), [400, 404, 422]);
});
