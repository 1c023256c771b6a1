/** Bodies of any size pass through a thread in constant memory, whole, both ways. PLINTH_TEST_MIB sets the size. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { after, before, test } from "node:test";
import { programFile } from "../support/places.ts";
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

interface Asked {
  /** The beginning, the end, and the length of all that has come. */
  readonly head: string;
  readonly tail: string;
  readonly length: number;
}

/** Sends a request with so much content, in chunks with a trailer, and counts what comes back until the connection ends. */
async function ask(line: string, upload = 0): Promise<Asked> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  let [head, tail, length] = ["", "", 0];
  socket.on("data", (data: Buffer) => {
    if (head.length < 500) head += data.toString("latin1", 0, 500);
    length += data.length;
    tail = (tail + data.toString("latin1", Math.max(0, data.length - 60))).slice(-60);
  });
  const closed = once(socket, "close");
  socket.write(`${line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n`);
  if (upload === 0) socket.write("\r\n");
  else {
    socket.write("Transfer-Encoding: chunked\r\n\r\n");
    const piece = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536, 7), Buffer.from("\r\n")]);
    for (let left = upload; left > 0; left -= 65_536) if (!socket.write(piece)) await once(socket, "drain");
    socket.write(`0\r\nSum: ${upload}\r\n\r\n`);
  }
  await closed;
  return { head, tail, length };
}

async function memory(): Promise<number> {
  const { head } = await ask("MEMORY /");
  return Number(head.split("\r\n\r\n")[1]);
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
        const { head } = await ask(`POST /${way}`, size);
        assert.equal(head.split("\r\n\r\n")[1], `${size} ${size}`);
      },
      (text) => t.diagnostic(text),
    );
  });

  test(`a download of any size takes no more memory, ${way}`, async (t) => {
    await measured(
      "download",
      async () => {
        const { length, tail } = await ask(`GET /${way}/${mib}`);
        assert.ok(length > size && length < size * 1.01, String(length));
        assert.ok(tail.endsWith(`\r\n0\r\nSum: ${mib}\r\n\r\n`), JSON.stringify(tail));
      },
      (text) => t.diagnostic(text),
    );
  });

  test(`nor does what goes both ways at once, ${way}`, async (t) => {
    await measured(
      "both ways",
      async () => {
        const { length, tail } = await ask(`PUT /${way}`, size);
        assert.ok(length > size && length < size * 1.05, String(length));
        assert.ok(tail.endsWith("\r\n0\r\n\r\n"), JSON.stringify(tail));
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
    let length = 0;
    socket.on("data", (data: Buffer) => (length += data.length));
    socket.resume();
    await once(socket, "close");
    assert.ok(length > 32 * MIB, String(length));
  }
  const { head } = await upload;
  assert.equal(head.split("\r\n\r\n")[1], `${4 * MIB} ${4 * MIB}`);
});
