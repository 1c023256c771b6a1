/** A fresh handler for each request, and setup and finish around its method. */
import assert from "node:assert/strict";
import { Around } from "../handlers.ts";
import type { Mode } from "../mode.ts";
import { connect, logged, type Register } from "../tools.ts";

export function around(mode: Mode, test: Register): void {
  test("setup, the method and finish run one behind the other, on an object that is fresh for each request", async (t) => {
    const served = await mode.serve(t, Around);
    const clients = [await served.client(), await served.client()];
    const wanted = "setup begins; setup ends; do_GET, 1; do_GET ends; finish begins; finish ends";
    for (let i = 0; i < 3; i++) {
      const responses = await Promise.all(clients.map((client) => client.request({ path: "/writes" })));
      for (const response of responses) assert.equal(response.text, wanted);
    }
  });

  test("HEAD runs within them too", async (t) => {
    const client = await connect(t, mode, Around);
    const response = await client.request({ method: "HEAD" });
    assert.deepEqual([response.status, response.headers.get("x-method")], [200, "HEAD"]);
  });

  test("finish runs also when the method has thrown, and the error gets a response", async (t) => {
    const served = await mode.serve(t, Around);
    assert.equal((await (await served.client()).request({ path: "/throws" })).status, 402);
    const [, ran] = await logged(served, /ran: (.*)/);
    assert.equal(ran, "setup begins; setup ends; do_GET, 1; finish begins; finish ends");
  });

  test("an error in setup gets a response, and the method does not run", async (t) => {
    const served = await mode.serve(t, Around);
    const client = await served.client();
    assert.equal((await client.request({ path: "/setup/throws" })).status, 401);
    assert.equal((await client.request({ path: "/writes" })).status, 200);
    await logged(served, /\] setup begins$/);
    for (const line of served.log()) assert.doesNotMatch(line, /\] (setup ends|do_GET)/);
  });

  test("an error in finish gets a response where nothing has left", async (t) => {
    const client = await connect(t, mode, Around);
    assert.equal((await client.request({ path: "/finish/throws" })).status, 403);
    assert.equal((await client.request({ path: "/writes" })).status, 200);
  });

  test("they run around what is refused as well: a method that the class has not", async (t) => {
    const served = await mode.serve(t, Around);
    assert.equal((await (await served.client()).request({ method: "POST" })).status, 405);
    const [, ran] = await logged(served, /ran: (.*)/);
    assert.equal(ran, "setup begins; setup ends; finish begins; finish ends");
  });
}
