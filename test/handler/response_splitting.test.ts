/** Nothing that a handler passes on from a request can split a response, or add to it: it throws at the call instead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler } from "plinth";
import { inMemory, GET, turn } from "../server/support.ts";

const LINES = ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "\r\n\r\n<html>", "a\r\n"];
/** Values that no field can have. */
const VALUES = [...LINES, "a\0b", "a\x0bb", "\x7f", "\x1b[2J", "5 €", "\u{1f600}", "č"];
/** Names that no field can have. */
const NAMES = [...LINES.map((line) => `X-${line}`), "", " ", "X A", "X:", ":", "X\0", "X\t", "Ü", "X-č", "(x)", "a,b"];

type Call = (handler: BaseHTTPRequestHandler, text: string) => void;

const calls: Record<string, { call: Call; texts: readonly string[] }> = {
  "the value of sendHeader": { call: (handler, text) => handler.sendHeader("X-A", text), texts: VALUES },
  "the value of Content-Type": { call: (handler, text) => handler.sendHeader("Content-Type", text), texts: VALUES },
  "the value of Connection": {
    call: (handler, text) => handler.sendHeader("Connection", text),
    texts: [...VALUES, "close\r\n", "close\r\nX-Injected: 1", "close, \r\n"],
  },
  "the value of Content-Length": { call: (handler, text) => handler.sendHeader("Content-Length", text), texts: VALUES },
  "the name of sendHeader": { call: (handler, text) => handler.sendHeader(text, "1"), texts: NAMES },
  "the value of sendTrailer": { call: (handler, text) => handler.sendTrailer("X-A", text), texts: VALUES },
  "the name of sendTrailer": {
    call: (handler, text) => handler.sendTrailer(text, "1"),
    texts: [...NAMES, "Content-Length", "transfer-encoding", "Host", "connection", "Trailer"],
  },
  "a value of sendInformational": {
    call: (handler, text) => handler.sendInformational(103, { Link: text }),
    texts: VALUES,
  },
  "a name of sendInformational": {
    call: (handler, text) => handler.sendInformational(103, { [text]: "1" }),
    texts: [...NAMES, "Content-Length", "transfer-encoding"],
  },
};

for (const [what, { call, texts }] of Object.entries(calls)) {
  test(`${what} cannot split a response`, async (t) => {
    const passed: string[] = [];
    class Handler extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        this.sendResponse(200);
        for (const text of texts) {
          try {
            call(this, text);
            passed.push(text);
          } catch (error) {
            assert.ok(error instanceof TypeError, String(error));
          }
        }
        this.endHeaders();
        this.wfile.write("x");
        await turn();
      }
    }
    const peer = (await inMemory(t, Handler)).connect();
    await peer.send(GET);
    const [response] = await peer.responses(1);
    assert.deepEqual(passed, []);
    assert.deepEqual([response.status, response.body, response.trailers], [200, "x", []]);
    assert.equal(peer.reading.responses.length, 1, "and no interim response");
    assert.deepEqual(
      response.fields.map(([name]) => name),
      ["Server", "Date", "Transfer-Encoding"],
    );
  });
}

test("a reason phrase cannot split a response, and throws where it is given", async (t) => {
  const passed: string[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      for (const text of VALUES) {
        for (const send of ["sendResponse", "sendResponseOnly"] as const) {
          try {
            this[send](200, text);
            passed.push(text);
          } catch (error) {
            assert.ok(error instanceof TypeError, String(error));
          }
        }
      }
      this.sendResponse(200, "caf\xe9\t(ok)");
      this.endHeaders();
      this.wfile.write("x");
      await turn();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  const response = await peer.ask(GET);
  assert.deepEqual(passed, []);
  assert.equal(response.reason, "caf\xe9\t(ok)");
});

test("values that are neither text nor numbers are refused, numbers are written out", async (t) => {
  const passed: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(200);
      for (const value of [null, undefined, true, {}, ["a", "b"], Symbol("x"), 1n]) {
        try {
          this.sendHeader("X-A", value as string);
          passed.push(value);
        } catch (error) {
          assert.ok(error instanceof TypeError, String(error));
        }
      }
      this.sendHeader("X-A", 1.5);
      this.sendHeader("X-B", "");
      this.sendHeader("X-C", "\xe9\t!~");
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  const response = await peer.ask(GET);
  assert.deepEqual(passed, []);
  assert.deepEqual([response.get("x-a"), response.get("x-b"), response.get("x-c")], ["1.5", "", "\xe9\t!~"]);
});

test("what a versionString of the class's own says cannot split a response either", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(200);
      this.endHeaders();
    }

    override versionString(): string {
      return "Mine\r\nX-Injected: 1";
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  const response = await peer.ask(GET);
  assert.deepEqual([response.status, response.get("x-injected")], [500, null]);
});
