/** Bodies of any size pass through a thread in constant memory, whole, both ways. PLINTH_TEST_MIB sets the size. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { after, before, test } from "node:test";
import { programFile } from "../support/places.ts";
import { type CountedResponse, countResponse } from "../support/responses.ts";
import { thorough } from "../support/thorough.ts";

const MIB = 1024 * 1024;
const mib = Number(process.env["PLINTH_TEST_MIB"] ?? (thorough ? 512 : 256));
const size = mib * MIB;
/** What a body may cost at most, whatever its size: the 64 MiB of buffers that V8 lets become garbage in each of two threads. */
const ALLOWED_KIB = 2 * 64 * 1024;
const WAYS = ["awaiting", "blocking"];
/**
 * What each of the two threads has had before anything is measured: enough for its garbage to have been collected once.
 * Both together are less than one body by more than is allowed, so a body that was kept would show.
 */
const WARM_UP_MIB = 128;

let server: ChildProcess;
let port = 0;

before(async () => {
  server = spawn(process.execPath, [programFile("test/threads/programs/big_bodies")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(server.stdout!, "data")) as [Buffer];
  port = Number(line.toString());
  // The first of each kind takes memory that is used again, and each thread as much for garbage as it collects at once.
  // Two at a time: one for each thread.
  const bytes = WARM_UP_MIB * MIB;
  for (const way of WAYS) {
    await Promise.all([ask(`GET /${way}/${WARM_UP_MIB}`), ask(`GET /${way}/${WARM_UP_MIB}`)]);
    await Promise.all([ask(`POST /${way}`, bytes), ask(`POST /${way}`, bytes)]);
    await Promise.all([ask(`PUT /${way}`, bytes), ask(`PUT /${way}`, bytes)]);
  }
});

after(async () => {
  server.kill("SIGTERM");
  const [status] = (await once(server, "exit")) as [number | null];
  assert.equal(status, 0);
});

/** Sends a request with so much content, in chunks with a trailer, and counts what comes back until the connection ends. */
async function ask(line: string, upload = 0): Promise<CountedResponse> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  const response = countResponse(socket, "GET");
  socket.write(`${line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n`);
  if (upload === 0) socket.write("\r\n");
  else {
    socket.write("Transfer-Encoding: chunked\r\n\r\n");
    const piece = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536, 7), Buffer.from("\r\n")]);
    for (let left = upload; left > 0; left -= 65_536) if (!socket.write(piece)) await once(socket, "drain");
    socket.write(`0\r\nSum: ${upload}\r\n\r\n`);
  }
  return response;
}

async function memory(): Promise<number> {
  return Number((await ask("MEMORY /")).beginning);
}

for (const way of WAYS) {
  const measured = async (what: string, run: () => Promise<void>, tell: (text: string) => void): Promise<void> => {
    const before = await memory();
    await run();
    const more = (await memory()) - before;
    tell(`${what} of ${mib} MiB, ${way}: ${more} KiB more at the most`);
    assert.ok(more < ALLOWED_KIB, `${what} took ${more} KiB more`);
  };

  test(`an upload of any size takes no more memory, ${way}`, async (t) => {
    await measured(
      "upload",
      async () => {
        assert.equal((await ask(`POST /${way}`, size)).beginning, `${size} ${size}`);
      },
      (text) => t.diagnostic(text),
    );
  });

  test(`a download of any size takes no more memory, ${way}`, async (t) => {
    await measured(
      "download",
      async () => {
        const { length, trailers } = await ask(`GET /${way}/${mib}`);
        assert.deepEqual([length, trailers], [size, [["Sum", String(mib)]]]);
      },
      (text) => t.diagnostic(text),
    );
  });

  test(`nor does what goes both ways at once, ${way}`, async (t) => {
    await measured(
      "both ways",
      async () => {
        const { length, trailers } = await ask(`PUT /${way}`, size);
        assert.deepEqual([length, trailers], [size, []]);
      },
      (text) => t.diagnostic(text),
    );
  });
}

test("a client that reads nothing for a while has its response whole afterwards, and so has who waited behind it", async () => {
  // Both threads have such a client; then those that block are waited for, one after the other.
  const slow = WAYS.map(() => net.connect({ port, host: "127.0.0.1" }));
  for (const [i, socket] of slow.entries()) {
    socket.pause();
    socket.write(`GET /${WAYS[i]}/32 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  }
  const upload = ask("POST /blocking", 4 * MIB);
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const socket of slow) {
    const response = countResponse(socket, "GET");
    socket.resume();
    const { length, trailers } = await response;
    assert.deepEqual([length, trailers], [32 * MIB, [["Sum", "32"]]]);
  }
  assert.equal((await upload).beginning, `${4 * MIB} ${4 * MIB}`);
});
