/** The protocol errors: how each is reached, how it gets a response, and that docs/ERRORS.md shows the same table. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import * as errors from "../../src/protocol/errors.ts";
import { reasonOf } from "../../src/protocol/status.ts";
import { DATE, Driver, echo, exchangesOf } from "../support/driver.ts";
import { root } from "../support/places.ts";
import { readResponses } from "../support/responses.ts";
import { chunked, get, request } from "../support/requests.ts";

const { PROTOCOL_ERRORS } = errors;

/** For each error, what reaches it: bytes, and maybe the end of the peer's side (end) or of its time (late). */
const reached: Record<string, { data: string; end?: boolean; late?: boolean }> = {
  METHOD_INVALID: { data: "GE(T / HTTP/1.1\r\n" },
  TARGET_INVALID: { data: request("GET * HTTP/1.1", "Host: a") },
  TARGET_TOO_LONG: { data: `GET /${"x".repeat(8192)}` },
  VERSION_INVALID: { data: "GET /\r\n" },
  VERSION_UNSUPPORTED: { data: "GET / HTTP/2.0\r\n" },
  LINE_ENDING_INVALID: { data: "GET / HTTP/1.1\r\nHost: a\n" },
  FIELD_NAME_INVALID: { data: get("A : b") },
  FIELD_VALUE_INVALID: { data: get("A: \0") },
  FIELD_FOLDED: { data: get("A: b", " c") },
  FIELDS_TOO_MANY: { data: get(...Array<string>(100).fill("A: b")) },
  HEAD_TOO_LARGE: { data: get(`A: ${"x".repeat(32_768)}`) },
  HEAD_INCOMPLETE: { data: "GET / HTTP/1.1\r\n", end: true },
  HEAD_TIMEOUT: { data: "GET / HTTP/1.1\r\n", late: true },
  HOST_MISSING: { data: request("GET / HTTP/1.1") },
  HOST_REPEATED: { data: get("Host: a") },
  HOST_INVALID: { data: request("GET / HTTP/1.1", "Host: a b") },
  CONNECTION_INVALID: { data: get("Connection: a b") },
  EXPECTATION_FAILED: { data: get("Expect: a-pony") },
  CONTENT_LENGTH_INVALID: { data: get("Content-Length: five") },
  CONTENT_LENGTH_REPEATED: { data: get("Content-Length: 5", "Content-Length: 5") },
  TRANSFER_ENCODING_INVALID: { data: get("Transfer-Encoding: gzip") },
  TRANSFER_CODING_UNKNOWN: { data: get("Transfer-Encoding: gzip, chunked") },
  TRANSFER_ENCODING_WITH_LENGTH: { data: get("Transfer-Encoding: chunked", "Content-Length: 5") },
  TRANSFER_ENCODING_TOO_EARLY: { data: request("GET / HTTP/1.0", "Transfer-Encoding: chunked") },
  BODY_TOO_LARGE: { data: get("Content-Length: 99999999") },
  BODY_INCOMPLETE: { data: get("Content-Length: 5") + "he", end: true },
  BODY_TIMEOUT: { data: get("Content-Length: 5") + "he", late: true },
  CHUNK_SIZE_INVALID: { data: chunked("x\r\n") },
  CHUNK_EXTENSION_INVALID: { data: chunked("5;\r\n") },
  CHUNK_EXTENSIONS_TOO_LARGE: { data: chunked(`5;${"a".repeat(16_384)}`) },
  CHUNK_END_INVALID: { data: chunked("5\r\nhello!") },
  TRAILER_FORBIDDEN: { data: chunked("0\r\nHost: b\r\n\r\n") },
  TRAILERS_TOO_LARGE: { data: chunked(`0\r\nA: ${"x".repeat(8192)}\r\n\r\n`) },
};

function run(
  data: string,
  { end = false, late = false },
  split: "whole" | "bytes",
): { driver: Driver; output: string } {
  const driver = new Driver({}, echo).feed(data, split);
  if (end) driver.end();
  if (late) driver.later(driver.remaining);
  return { driver, output: driver.take() };
}

describe("every protocol error", () => {
  for (const error of PROTOCOL_ERRORS) {
    const { code, status, message } = error;
    test(`${code} is reached, and responded to with ${status}`, () => {
      const { data, ...how } = reached[code];
      for (const split of ["whole", "bytes"] as const) {
        const { driver, output } = run(data, how, split);
        assert.deepEqual(driver.overload, [error]);
        const title = reasonOf(status);
        const content = JSON.stringify({ title, status, detail: message, code }) + "\n";
        // RFC 9457, and "Connection: close" as RFC 9112 §9.6 asks
        assert.equal(
          output,
          `HTTP/1.1 ${status} ${title}\r\nDate: ${DATE}\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n` +
            `Content-Length: ${content.length}\r\nConnection: close\r\n\r\n${content}`,
        );
        assert.equal(driver.connection.closing, "end", "our side ends, and what comes is read for a while");
        assert.equal(driver.connection.deadline, Infinity);
        driver.feed(get()).end();
        driver.connection.tick();
        driver.connection.shutdown();
        assert.deepEqual([driver.take(), driver.overload.length], ["", 1]);
        for (const call of driver.calls) {
          const kind = status === 408 ? "timeout" : "malformed";
          assert.equal(call.heard.at(-1), `gone: ${kind} (${code})`);
          assert.equal(call.gone?.error, error);
        }
      }
    });
  }

  test("no other is reached by these cases", () => {
    assert.deepEqual(
      Object.keys(reached),
      PROTOCOL_ERRORS.map(({ code }) => code),
    );
  });
});

describe("an error's response", () => {
  test("to HEAD has no content (RFC 9110 §9.3.2)", () => {
    for (const data of [
      "HEAD /# HTTP/1.1\r\n",
      "HEAD / HTTP/1.1\r\n\r\n",
      "\r\nHEAD / HTTP/3.0\r\n",
      "HEAD / HTTP/1.1\r\nA\0",
    ]) {
      const { output } = exchangesOf(data, "bytes");
      assert.match(
        output,
        /^HTTP\/1\.1 [45]\d\d [^\r]*\r\n.*\r\nContent-Length: [1-9]\d*\r\nConnection: close\r\n\r\n$/s,
      );
      readResponses(output, ["HEAD"]);
    }
    // and where the content is at fault
    const { output } = exchangesOf("HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n");
    assert.equal(readResponses(output, ["HEAD"])[0].status, 400);
    // of the request before, nothing is remembered
    const after = exchangesOf("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\r\n(");
    assert.match(readResponses(after.output, ["HEAD", ""])[1].body, /METHOD_INVALID/);
  });

  test("comes behind an interim response as it comes without one", () => {
    const { output } = exchangesOf(get("Expect: 100-continue", "Transfer-Encoding: chunked") + "x");
    const [response] = readResponses(output, ["GET"]);
    assert.deepEqual([response.interim.map(({ status }) => status), response.status], [[100], 400]);
  });

  test("takes the place of a response that has not begun; one that has is cut off, or reset where it would look complete", () => {
    for (const [version, length, written, closing] of [
      ["1.1", -1, "", "cut"],
      ["1.1", 10, "x", "cut"],
      ["1.0", 10, "x", "cut"],
      ["1.0", -1, "x", "reset"],
      ["1.0", -1, "", "reset"],
    ] as const) {
      const driver = new Driver().feed(`POST / HTTP/${version}\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe`);
      const { call } = driver;
      call.demand();
      call.respond(200, length);
      if (written !== "") call.write(written);
      driver.end();
      assert.equal(call.readAll(), 0);
      assert.deepEqual(call.heard, ["gone: half-closed", "gone: malformed (BODY_INCOMPLETE)"]);
      assert.equal(driver.connection.closing, closing);
      assert.deepEqual(driver.overload, [errors.BODY_INCOMPLETE]);
      assert.doesNotMatch(driver.take(), /400/);
      // what the handler still does goes nowhere
      call.write("more");
      call.abort();
      call.release();
      assert.equal(driver.take(), "");
      assert.equal(driver.connection.closing, closing);
    }
  });

  test("is not sent behind a response that is complete, which is not cut off either", () => {
    const driver = new Driver().feed(chunked("x"));
    const { call } = driver;
    call.demand();
    call.respond(200, 2);
    call.write("ok");
    call.end();
    assert.equal(call.readAll(), 0);
    assert.deepEqual(call.heard, ["gone: malformed (CHUNK_SIZE_INVALID)"]);
    assert.equal(readResponses(driver.take(), ["GET"])[0].body, "ok");
    assert.equal(driver.connection.closing, "end");
  });

  test("is for who runs the handler to send, when that comes to the fault; another may take its place", () => {
    const driver = new Driver().feed(chunked("5\r\nhello\r\nx\r\n"));
    const { call } = driver;
    call.whenFault = () => {};
    assert.equal(call.read(), 5);
    assert.deepEqual([call.body, call.heard], ["hello", []]);
    assert.equal(call.read(), 0);
    assert.deepEqual(call.heard, ["gone: malformed (CHUNK_SIZE_INVALID)"]);
    assert.equal(call.read(), 0);
    assert.deepEqual([driver.take(), driver.connection.closing], ["", null]);
    driver.feed(get());
    call.response("no", 422);
    const [response] = readResponses(driver.take(), ["POST"]);
    assert.deepEqual([response.status, response.body], [422, "no"]);
    assert.deepEqual([driver.calls.length, driver.connection.closing], [1, "end"], "the connection ends behind it");
  });
});

describe("the table", () => {
  test("has every error that is exported, once, under its own name", () => {
    const exported = Object.entries(errors).filter(([name]) => name !== "PROTOCOL_ERRORS");
    assert.deepEqual(exported.map(([name]) => name).sort(), PROTOCOL_ERRORS.map(({ code }) => code).sort());
    for (const [name, error] of exported) {
      assert.equal((error as errors.ProtocolError).code, name);
      assert.ok(PROTOCOL_ERRORS.includes(error as errors.ProtocolError));
    }
  });

  test("cannot be changed", () => {
    assert.ok(Object.isFrozen(PROTOCOL_ERRORS));
    for (const error of PROTOCOL_ERRORS) assert.ok(Object.isFrozen(error));
  });

  test("has statuses that have a reason, messages that are sentences, and sources", () => {
    for (const { code, status, message, source } of PROTOCOL_ERRORS) {
      assert.match(code, /^[A-Z]+(?:_[A-Z]+)+$/);
      assert.ok([400, 408, 413, 414, 417, 431, 501, 505].includes(status), code);
      assert.notEqual(reasonOf(status), "");
      assert.match(message, /^[A-Z].*\.$/);
      assert.match(source, /^RFC \d{4} §\d/);
    }
  });

  test("is the one in docs/ERRORS.md, in the same order", () => {
    const page = readFileSync(path.join(root, "docs/ERRORS.md"), "utf8");
    const rows = page
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) =>
        line
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim().replace(/\\(.)/g, "$1")),
      );
    assert.deepEqual(
      rows,
      PROTOCOL_ERRORS.map(({ code, status, message, source }) => [`\`${code}\``, String(status), message, source]),
    );
  });
});
