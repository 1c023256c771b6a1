/** A Router in the place of a class: which class a path leads to, and with which parameters. */
import assert from "node:assert/strict";
import { pages, pagesWithFallback } from "../handlers.ts";
import type { Mode } from "../mode.ts";
import { connect, type Register } from "../tools.ts";

export function routing(mode: Mode, test: Register): void {
  test("a path leads to its class, and the pattern's names are in pathParams, decoded", async (t) => {
    const client = await connect(t, mode, pages);
    for (const [path, page, params] of [
      ["/", "home", {}],
      ["/models/a", "model", { name: "a" }],
      ["/models/a%2fb%20c", "model", { name: "a/b c" }],
      ["/models/latest", "latest", {}],
      ["/models/__proto__", "model", { name: "__proto__" }],
      ["/files/a", "files", { path: "a" }],
      ["/files/a/b%2fc/d.txt", "files", { path: "a/b/c/d.txt" }],
      ["/about", "about", {}],
      ["/de/about", "about", { lang: "de" }],
    ] as const) {
      const response = await client.request({ path });
      assert.equal(response.status, 200, path);
      assert.deepEqual(response.json(), { page, path, query: [], params });
    }
    const run = await client.request({ method: "POST", path: "/models/a/runs/17" });
    assert.deepEqual(run.json().params, { name: "a", id: "17" });
  });

  test("the query has no part in it, nor has a slash at the end", async (t) => {
    const client = await connect(t, mode, pages);
    const seen = (await client.request({ path: "/models/a?name=b&x=/files/c" })).json();
    assert.deepEqual([seen.page, seen.params], ["model", { name: "a" }]);
    assert.deepEqual(seen.query, [
      ["name", "b"],
      ["x", "/files/c"],
    ]);
    for (const path of ["/models/a/", "/models/a/?b"]) {
      const { page, params } = (await client.request({ path })).json();
      assert.deepEqual([page, params], ["model", { name: "a" }], path);
    }
    assert.equal((await client.request({ path: "/?models/a" })).json().page, "home");
  });

  test("a path is compared as it was sent; where nothing matches it is 404, or 501 for a method that nobody has", async (t) => {
    const client = await connect(t, mode, pages);
    for (const path of [
      "/Models/a",
      "/%6dodels/a",
      "/./models/a",
      "/x/../models/a",
      "/models/a/b",
      "/models",
      "/files",
      "/models/a/runs/x",
      "/a/b/about",
      "/nothing",
    ]) {
      for (const method of ["GET", "POST", "HEAD"]) {
        const response = await client.request({ method, path });
        assert.equal(response.status, 404, `${method} ${path}`);
        if (method !== "HEAD") assert.equal(response.json().title, "Not Found");
      }
      assert.equal((await client.request({ method: "BREW", path })).status, 501, path);
    }
  });

  test("a method that the path's class lacks is 405 where it is known elsewhere, else 501", async (t) => {
    const client = await connect(t, mode, pages);
    for (const [method, path, allow] of [
      ["TRAIN", "/", "GET, HEAD, OPTIONS"],
      ["DELETE", "/models/a", "GET, HEAD, OPTIONS, PUT, TRAIN"],
      ["GET", "/models/a/runs/1", "OPTIONS, POST"],
    ] as const) {
      const response = await client.request({ method, path });
      assert.equal(response.status, 405, path);
      assert.equal(response.headers.get("allow")?.split(", ").sort().join(", "), allow);
    }
    for (const path of ["/", "/models/a"]) assert.equal((await client.request({ method: "BREW", path })).status, 501);
  });

  test("HEAD and OPTIONS are those of the path's class; OPTIONS * is what there is anywhere", async (t) => {
    const client = await connect(t, mode, pages);
    assert.equal((await client.request({ method: "HEAD", path: "/about" })).status, 200);
    for (const [path, allow] of [
      ["/", "GET, HEAD, OPTIONS"],
      ["/models/a/runs/1", "OPTIONS, POST"],
      ["*", "GET, HEAD, OPTIONS, POST, PUT, TRAIN"],
    ]) {
      const response = await client.request({ method: "OPTIONS", path });
      assert.equal(response.status, 204, path);
      assert.equal(response.headers.get("allow")?.split(", ").sort().join(", "), allow);
    }
  });

  test("a bad escape in a parameter is a 400 for who asks for it", async (t) => {
    const client = await connect(t, mode, pages);
    for (const path of ["/models/%", "/models/%zz", "/models/%ff", "/files/a/%e2%82"]) {
      const response = await client.request({ path });
      assert.equal(response.status, 400, path);
      assert.match(response.json().detail, /path/);
    }
    assert.equal((await client.request({ method: "PUT", path: "/models/%ff" })).status, 200);
  });

  test("a fallback takes what no pattern matches; a method that it lacks is a 404 of its own words", async (t) => {
    const client = await connect(t, mode, pagesWithFallback);
    const lost = await client.request({ path: "/nothing" });
    assert.deepEqual([lost.status, lost.text], [404, "lost: /nothing"]);
    for (const [method, status] of [
      ["POST", 404],
      ["BREW", 501],
    ] as const) {
      const response = await client.request({ method, path: "/nothing" });
      assert.deepEqual([response.status, response.text], [status, "lost for words"]);
    }
    assert.equal((await client.request({ path: "/more" })).json().page, "home");
    assert.equal((await client.request({ path: "/models/a" })).json().page, "model");
  });
}
