// Connections that begin a TLS handshake, or not even that, and then say nothing more. A process of its own; its orders are its first argument:
//
//     it says                        when
//     {"open":N,"failures":{…}}      each has connected, and said what it says; also when it is told "count"
import net from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { Duplex } from "node:stream";
import tls from "node:tls";

/** `kind`: "silent" or "half" */
const { port, connections, kind } = JSON.parse(process.argv[2]);

/** So many are being opened at a time: more would not fit into a server's queue of those to be accepted. */
const AT_ONCE = 100;

const said = kind === "half" ? await half() : undefined;
let open = 0;
let left = connections;
const failures = {};

/** The first half of what a TLS client says first. */
function half() {
  return new Promise((resolve) => {
    const carrier = new Duplex({
      read() {},
      write(bytes, _encoding, done) {
        resolve(bytes.subarray(0, bytes.length >> 1));
        done();
      },
    });
    tls.connect({ socket: carrier, servername: "localhost" }).on("error", () => {});
  });
}

function one() {
  return new Promise((resolve) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    socket.on("connect", () => {
      open++;
      socket.on("close", () => open--);
      if (said === undefined) resolve();
      else socket.write(said, resolve);
    });
    socket.on("error", ({ code }) => {
      failures[code] = (failures[code] ?? 0) + 1;
      resolve();
    });
    socket.resume();
  });
}

async function some() {
  while (left > 0) {
    left--;
    await one();
  }
}

const say = () => process.stdout.write(`${JSON.stringify({ open, failures })}\n`);

createInterface(process.stdin)
  .on("line", say)
  .on("close", () => process.exit());
await Promise.all(Array.from({ length: AT_ONCE }, some));
say();
