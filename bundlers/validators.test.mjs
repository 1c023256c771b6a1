// Validators as their users have them: each says where content is wrong in its own way, and this.json(schema) in one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type } from "arktype";
import { BaseHTTPRequestHandler, HTTPServer } from "../dist/src/mod.js";
import * as v from "valibot";
import { z } from "zod";

const schemas = {
  arktype: type({ a: "number", "b/c": { d: "string[]" } }),
  valibot: v.object({ a: v.number(), "b/c": v.object({ d: v.array(v.string()) }) }),
  zod: z.object({ a: z.number(), "b/c": z.object({ d: z.array(z.string()) }) }),
};

for (const [name, schema] of Object.entries(schemas)) {
  test(name, async () => {
    class Handler extends BaseHTTPRequestHandler {
      async do_POST() {
        this.sendJson(await this.json(schema));
      }
    }
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
    const ask = (value) => httpd.inject({ method: "POST", body: JSON.stringify(value) });
    const right = { a: 1, "b/c": { d: ["x"] } };
    assert.deepEqual((await ask(right)).json(), right);
    const pointersTo = async (value) => {
      const response = await ask(value);
      assert.equal(response.status, 422);
      return response.json().errors.map(({ pointer }) => pointer);
    };
    assert.deepEqual(await pointersTo(3), ["#"]);
    assert.deepEqual(await pointersTo({ a: "1", "b/c": { d: ["x", 2] } }), ["#/a", "#/b~1c/d/1"]);
  });
}
