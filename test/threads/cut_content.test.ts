/** Content that comes in any pieces is what a handler in a thread reads, whatever of it had come when the thread got the request. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { postChunks } from "../server/support.ts";
import { runs } from "../support/thorough.ts";
import { Blocking, pattern } from "./handlers.ts";
import { serve } from "./support.ts";

/** Content, as chunks or counted, and where what is sent is cut. */
const uploads = fc.record({
  chunks: fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 4 }),
  isCounted: fc.boolean(),
  trailers: fc.constantFrom("", "Sum: 7\r\n"),
  cuts: fc.array(fc.integer({ min: 0, max: 8000 }), { maxLength: 5 }),
  /** Whether it is cut behind the head, too. */
  headFirst: fc.boolean(),
});

for (const threadBuffer of [1000, 65_536]) {
  test(`with threadBuffer ${threadBuffer}`, async (t) => {
    const server = await serve(t, Blocking, { threads: 1, threadBuffer });
    const property = fc.asyncProperty(uploads, async ({ chunks, isCounted, trailers, cuts, headFirst }) => {
      const pieces = chunks.map((length) => pattern(length).toString("latin1"));
      const content = pieces.join("");
      const text = (
        isCounted
          ? `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${content.length}\r\n\r\n${content}`
          : postChunks(pieces, trailers)
      ).replace("/", "/echo");
      const ends = [...cuts, headFirst ? text.indexOf("\r\n\r\n") + 4 : 0, text.length];
      const client = server.connect();
      let at = 0;
      for (const end of ends.filter((end) => end <= text.length).sort((a, b) => a - b)) {
        if (end > at) await client.send(text.slice(at, end));
        at = end;
        await new Promise((resolve) => setImmediate(resolve));
      }
      const response = await client.response("POST");
      assert.deepEqual([response.status, response.body === content], [200, true]);
      assert.equal(response.trailers.length, !isCounted && trailers !== "" ? 1 : 0);
      await client.end();
    });
    await fc.assert(property, { numRuns: runs(300) });
  });
}
