/** What the kernel holds for connections, as Linux writes it down. */
import assert from "node:assert/strict";
import net from "node:net";
import type { ConnectionInfo } from "../../src/protocol/exchange.ts";
import { networkInterfaces } from "node:os";
import process from "node:process";
import { test } from "node:test";
import { type SendQueueObserver, KernelSendQueues } from "../../src/server/kernel_send_queues.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n";
const REST = " 00:00000000 00000000     0        0 20211 1 0000000000000000 20 4 30 10 -1            \n";

/** As a machine writes them whose numbers begin with the least byte; the other kind has them the other way round. */
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const word = (hex: string): string => (littleEndian ? hex : hex.match(/../g)!.reverse().join(""));
const address = (...words: string[]): string => words.map(word).join("");

const TCP = [
  HEAD,
  `   0: ${address("0100007F")}:1F90 00000000:0000 0A 00000000:00000000${REST}`,
  `   1: ${address("0100007F")}:1F90 ${address("0200007F")}:C000 01 0003F00D:00000000${REST}`,
  `   2: ${address("0100007F")}:1F91 ${address("0300007F")}:C000 01 00000001:00000000${REST}`, // another server's
  `9999: ${address("0100007F")}:1F90 ${address("0200007F")}:C001 01 00000000:000000FF${REST}`,
  `10000: ${address("0100007F")}:1F90 ${address("070200C0")}:00FF 04 FFFFFFFF:00000000${REST}`,
].join("");
const MAPPED = ["00000000", "00000000", "FFFF0000"];
const LOOPBACK = address("00000000", "00000000", "00000000", "01000000");
const TCP6 = [
  HEAD,
  `   0: ${LOOPBACK}:1F90 ${LOOPBACK}:0001 01 00000010:00000000${REST}`,
  `   1: ${address(...MAPPED, "0100007F")}:1F90 ${address(...MAPPED, "0400007F")}:C000 01 00000020:00000000${REST}`,
  `   2: ${LOOPBACK}:1F90 ${address("B80D0120", "67452301", "00000000", "EFCDAB89")}:FFFF 01 00000030:00000000${REST}`,
].join("");

class Client implements SendQueueObserver {
  readonly info: ConnectionInfo;
  readonly told: number[] = [];

  constructor(host: string, port: number) {
    this.info = { clientAddress: [host, port], alpn: null, secure: null };
  }

  sendQueueIs(bytes: number): void {
    this.told.push(bytes);
  }
}

test("each hears of its own connection, and of none that it is not", async () => {
  const queues = new KernelSendQueues(0, async (file) => (file.endsWith("6") ? TCP6 : TCP));
  const expected = [
    ["127.0.0.2", 0xc000, 0x3f00d],
    ["127.0.0.2", 0xc001, 0],
    ["192.0.2.7", 0xff, 0xffffffff],
    ["::1", 1, 0x10],
    ["127.0.0.4", 0xc000, 0x20],
    ["2001:db8:123:4567::89ab:cdef", 0xffff, 0x30],
    ["127.0.0.3", 0xc000, -1],
    ["127.0.0.2", 0xc002, -1],
    ["::2", 1, -1],
    ["", 0, -1],
    ["memory", 1, -1],
  ] as const;
  const clients = expected.map(([host, port]) => new Client(host, port));
  for (const client of clients) queues.ask(client);
  await queues.look(0, 8080);
  assert.deepEqual(
    clients.map(({ info, told }) => [...info.clientAddress, ...told]),
    expected,
  );
});

test("it is looked only where somebody has asked, once for all, and not too often", async () => {
  let looks = 0;
  const queues = new KernelSendQueues(1_000, async () => {
    looks++;
    return TCP;
  });
  await queues.look(0, 8080);
  assert.equal(looks, 0);
  const [one, other] = [new Client("127.0.0.2", 0xc000), new Client("127.0.0.2", 0xc001)];
  for (let now = 0; now <= 4_000; now += 250) {
    queues.ask(one);
    queues.ask(other);
    await queues.look(now, 8080);
    assert.equal(looks, 2 * (1 + Math.floor(now / 1_000)), "two files each time");
  }
  assert.deepEqual([one.told.length, other.told.length], [5, 5]);
  await queues.look(5_000, 8080);
  assert.equal(looks, 10);
});

test("no look begins while another is under way, and one that took long has a pause behind it", async () => {
  const ends: ((text: string) => void)[] = [];
  const queues = new KernelSendQueues(0, () => new Promise((resolve) => ends.push(resolve)));
  const client = new Client("127.0.0.2", 0xc000);
  const look = (now: number): Promise<void> => {
    queues.ask(client);
    return queues.look(now, 8080);
  };
  const first = look(0);
  await Promise.all([look(1), look(2)]);
  assert.equal(ends.length, 2, "two files");
  await new Promise((resolve) => setTimeout(resolve, 60));
  for (const end of ends.splice(0)) end(TCP);
  await first;
  await look(100);
  assert.equal(ends.length, 0);
  const second = look(1_000_000);
  for (const end of ends) end(TCP);
  await second;
  assert.deepEqual(client.told, [0x3f00d, 0x3f00d]);
});

test("where nothing can be read, that is said at once, and not tried again", async () => {
  let reads = 0;
  const queues = new KernelSendQueues(1_000, async () => {
    reads++;
    return "";
  });
  const client = new Client("127.0.0.2", 0xc000);
  for (const now of [0, 1, 2]) {
    queues.ask(client);
    await queues.look(now, 8080);
  }
  assert.deepEqual([client.told, reads], [[-1, -1, -1], 2]);
});

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));

test("the kernel's own word", { skip: process.platform !== "linux" && "only Linux says it" }, async (t) => {
  for (const [listening, host] of [
    ["127.0.0.1", "127.0.0.1"],
    ...(hasIPv6
      ? [
          ["::", "127.0.0.1"],
          ["::1", "::1"],
        ]
      : []),
  ]) {
    const server = net.createServer((socket) => {
      socket.on("error", () => {}); // in the end, the client leaves
      socket.write(Buffer.alloc(20_000_000));
    });
    t.after(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, listening, resolve));
    const { port } = server.address() as net.AddressInfo;
    const client = net.connect(port, host).pause();
    t.after(() => client.destroy());
    await new Promise((resolve) => client.once("connect", resolve));
    const queues = new KernelSendQueues(0);
    const sender = new Client(host, client.localPort!);
    const ask = async (): Promise<number> => {
      queues.ask(sender);
      await queues.look(Infinity, port);
      return sender.told.at(-1)!;
    };
    let held = -1;
    while (held < 100_000) held = await ask();
    client.on("data", () => {}).resume();
    while ((await ask()) === held);
  }
});
