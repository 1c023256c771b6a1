/** A body of any size passes in constant memory, both ways. PLINTH_TEST_MIB sets the size. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { after, before, test } from "node:test";
import { programFile } from "../support/places.ts";
import { type CountedResponse, countResponse } from "../support/responses.ts";

const MIB = 1024 * 1024;
const size = Number(process.env["PLINTH_TEST_MIB"] ?? 384) * MIB;
/** What a body may cost at most, whatever its size. */
const ALLOWED_KIB = 100 * 1024;

let server: ChildProcess;
let port = 0;

before(async () => {
  server = spawn(process.execPath, [programFile("test/server/programs/big_bodies")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(server.stdout!, "data")) as [Buffer];
  port = Number(line.toString());
});

after(async () => {
  server.kill("SIGTERM");
  await once(server, "exit");
});

/** Sends a request, in pieces where it is long, and counts what comes back up to the end of the connection. */
async function ask(head: string, body?: (socket: net.Socket) => Promise<void>): Promise<CountedResponse> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  const response = countResponse(socket, "GET");
  socket.write(head + "Host: a\r\nConnection: close\r\n\r\n");
  await body?.(socket);
  return response;
}

async function memory(): Promise<number> {
  return Number((await ask("MEMORY / HTTP/1.1\r\n")).beginning);
}

test("a chunked upload of any size takes no more memory", async (t) => {
  const before = await memory();
  const piece = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65536, 7), Buffer.from("\r\n")]);
  const { beginning } = await ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", async (socket) => {
    for (let sent = 0; sent < size; sent += 65536) if (!socket.write(piece)) await once(socket, "drain");
    socket.write("0\r\n\r\n");
  });
  assert.equal(beginning, String(size));
  const more = (await memory()) - before;
  t.diagnostic(`upload of ${size / MIB} MiB: ${more} KiB more at the most`);
  assert.ok(more < ALLOWED_KIB, `an upload of ${size / MIB} MiB took ${more} KiB more`);
});

test("a download of any size takes no more memory", async (t) => {
  const before = await memory();
  const { length } = await ask(`GET /${size / MIB} HTTP/1.1\r\n`);
  assert.equal(length, size);
  const more = (await memory()) - before;
  t.diagnostic(`download of ${size / MIB} MiB: ${more} KiB more at the most`);
  assert.ok(more < ALLOWED_KIB, `a download of ${size / MIB} MiB took ${more} KiB more`);
});
