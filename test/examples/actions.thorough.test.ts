/** examples/actions.ts: its own methods, how they respond, and what is wrong with a request. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { type ReceivedResponse, connect, type SocketClient } from "../server/support.ts";
import { startExample } from "./programs.ts";

interface Said {
  status: number;
  get: ReceivedResponse["get"];
  body: any;
}

/** Starts the program, and connects to it: not every runtime's `fetch` sends methods of one's own. */
async function start(t: TestContext): Promise<SocketClient> {
  return connect(t, ["127.0.0.1", (await startExample(t, "actions")).port]);
}

async function ask(peer: SocketClient, method: string, path: string, body = ""): Promise<Said> {
  const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
  const response = await peer.ask(`${method} ${path} HTTP/1.1\r\nHost: a\r\n${length}\r\n${body}`);
  const text = Buffer.from(response.body, "latin1").toString();
  return { status: response.status, get: response.get, body: text === "" ? null : JSON.parse(text) };
}

test("GETONE, GETTWO and GETMANY read what PUT writes", async (t) => {
  const peer = await start(t);
  const one = await ask(peer, "GETONE", "/planet/earth/");
  assert.equal(one.status, 200);
  assert.equal(one.get("content-type"), "application/json");
  assert.deepEqual(one.body, { planet: "earth", moons: 1 });

  const two = await ask(peer, "GETTWO", "/planet/earth/and/mars/");
  assert.deepEqual(two.body, [
    { planet: "earth", moons: 1 },
    { planet: "mars", moons: 2 },
  ]);

  const all = await ask(peer, "GETMANY", "/");
  assert.deepEqual(
    all.body.map(({ planet }: { planet: string }) => planet),
    ["mercury", "venus", "earth", "mars", "jupiter"],
  );
  const some = await ask(peer, "GETMANY", "/?min=1&limit=2");
  assert.deepEqual(some.body, two.body);
  assert.deepEqual((await ask(peer, "GETMANY", "/?limit=0")).body, []);

  const created = await ask(peer, "PUT", "/planet/pl%C3%BCto/", "5");
  assert.equal(created.status, 201);
  assert.deepEqual(created.body, { planet: "plüto", moons: 5 });
  assert.deepEqual((await ask(peer, "GETONE", "/planet/pl%C3%BCto/")).body, { planet: "plüto", moons: 5 });
  assert.equal((await ask(peer, "PUT", "/planet/pl%C3%BCto/", "6")).status, 200, "it was there already");
  assert.equal((await ask(peer, "GETONE", "/planet/pl%C3%BCto/")).body.moons, 6);
});

test("what is wrong is said", async (t) => {
  const cases: [method: string, path: string, body: string | undefined, status: number, detail: RegExp][] = [
    ["GETONE", "/planet/vulcan/", undefined, 404, /There is no planet vulcan/],
    ["GETTWO", "/planet/earth/and/vulcan/", undefined, 404, /There is no planet vulcan/],
    ["GETONE", "/", undefined, 422, /must say which/],
    ["GETTWO", "/planet/earth/", undefined, 422, /\/and\//],
    ["GETONE", "/planet/", undefined, 400, /"planet" has no value/],
    ["GETMANY", "/?min=some", undefined, 422, /min must be a whole number/],
    ["GETMANY", "/?limit=-1", undefined, 422, /limit must be/],
    ["GETMANY", "/?limit=", undefined, 422, /limit must be/],
    ["PUT", "/planet/earth/", "many", 400, /not JSON/],
    ["PUT", "/planet/earth/", "-1", 422, /number of moons/],
    ["PUT", "/planet/earth/", '"1"', 422, /number of moons/],
    ["GET", "/planet/earth/", undefined, 405, /method GET/],
    ["GETALL", "/", undefined, 501, /method GETALL/],
    ["getone", "/planet/earth/", undefined, 501, /method getone/],
  ];
  const peer = await start(t);
  for (const [method, path, body, status, detail] of cases) {
    await t.test(`${method} ${path} ${body ?? ""}`, async () => {
      const said = await ask(peer, method, path, body);
      assert.equal(said.status, status);
      assert.equal(said.get("content-type"), "application/problem+json");
      assert.match(said.body.detail, detail);
    });
  }

  await t.test("OPTIONS names what there is", async () => {
    const { status, get } = await ask(peer, "OPTIONS", "/");
    assert.equal(status, 204);
    assert.equal(get("allow"), "GETONE, GETTWO, GETMANY, PUT, OPTIONS");
  });

  await t.test("nothing of it was written", async () => {
    assert.equal((await ask(peer, "GETONE", "/planet/earth/")).body.moons, 1);
  });
});

test("the store has an end", async (t) => {
  const peer = await start(t);
  let full: Said | undefined;
  let stored = 5;
  for (let i = 0; full === undefined && i < 2000; i++) {
    const said = await ask(peer, "PUT", `/planet/${i}/`, "0");
    if (said.status === 201) stored++;
    else full = said;
  }
  assert.equal(full?.status, 507);
  assert.equal(stored, 1000);
  assert.equal((await ask(peer, "PUT", "/planet/earth/", "2")).status, 200, "what is there may be changed");
});
