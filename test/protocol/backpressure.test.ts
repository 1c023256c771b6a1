/** A peer that reads slower than a handler writes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bytes } from "../support/bytes.ts";
import { Driver } from "../support/driver.ts";
import { readResponses } from "../support/responses.ts";
import { GET, request } from "../support/requests.ts";

const HEAD = request("HEAD / HTTP/1.1", "Host: a");

describe("backpressure", () => {
  test("write says false when 64 KiB wait, and onWritable comes once there is room", () => {
    const driver = new Driver().feed(GET);
    const { call } = driver;
    call.respond(200, -1);
    let written = 0;
    while (call.write("x".repeat(1000))) {
      written += 1000;
      assert.ok(written < 70_000);
    }
    assert.ok(written > 50_000);
    assert.deepEqual(call.heard, []);
    const taken = driver.take();
    assert.deepEqual(call.heard, ["writable"]);
    assert.ok(taken.length > written, "all of it was taken");
    assert.equal(call.write("x"), true);
    driver.take();
    assert.deepEqual(call.heard, ["writable"], "not said again");
  });

  test("onWritable comes only when less than that is left, and before all has left", () => {
    const driver = new Driver().feed(GET);
    driver.call.respond(200, -1);
    assert.equal(driver.call.write("x".repeat(300_000)), false);
    const rest: string[] = [];
    while (driver.call.heard.length === 0) rest.push(driver.pull()!);
    const left = driver.take();
    assert.ok(rest.length >= 2 && left.length > 0 && left.length < 65_536 + 100);
  });

  test("onWritable may write again, and be told again", () => {
    const driver = new Driver().feed(GET);
    const { call } = driver;
    let rounds = 0;
    const produce = (): void => {
      while (rounds < 50) {
        rounds++;
        if (!call.write(String.fromCharCode(0x30 + rounds).repeat(30_000))) return;
      }
      call.end();
      call.release();
    };
    call.whenWritable = produce;
    call.respond(200, -1);
    produce();
    let most = 0;
    let output = "";
    for (let batch = driver.pull(); batch !== null; batch = driver.pull()) {
      output += batch;
      most = Math.max(most, driver.connection.output.length);
    }
    const [{ body }] = readResponses(output, ["GET"]);
    assert.equal(body.length, 50 * 30_000);
    assert.ok(most < 200_000, `${most} bytes waited`);
    assert.ok(call.heard.length > 5);
  });

  test("what is written in spite of it is taken all the same", () => {
    const driver = new Driver().feed(GET);
    driver.call.respond(200, 300_000);
    for (let i = 0; i < 3; i++) driver.call.write("abc"[i].repeat(100_000));
    driver.call.end();
    const [{ body }] = readResponses(driver.take(), ["GET"]);
    assert.equal(body, "a".repeat(100_000) + "b".repeat(100_000) + "c".repeat(100_000));
    assert.deepEqual(driver.call.heard, ["writable"]);
  });

  test("content that goes nowhere never has to wait", () => {
    for (const [request, status] of [
      [HEAD, 200],
      [GET, 204],
      [GET, 304],
      [GET, 205],
    ] as const) {
      const driver = new Driver().feed(request);
      driver.call.respond(status, -1);
      assert.equal(driver.call.write("x".repeat(1_000_000)), true);
      assert.ok(driver.take().length < 100);
    }
  });

  test("a handler that has settled is told nothing more", () => {
    const driver = new Driver().feed(GET);
    driver.call.respond(200, 100_000);
    assert.equal(driver.call.write("x".repeat(100_000)), false);
    driver.call.end();
    driver.call.release();
    driver.take();
    assert.deepEqual(driver.call.heard, []);
  });

  test("the memory of a batch that was given back is used again", () => {
    const { connection } = new Driver({}, (call) => call.response("x")).feed(GET);
    const first = connection.pull()!;
    connection.receive(bytes(GET));
    const second = connection.pull()!;
    assert.notEqual(second.buffer, first.buffer, "the first has not been given back");
    connection.recycle(second);
    connection.receive(bytes(GET));
    assert.equal(connection.pull()!.buffer, second.buffer);
  });
});
