/** Certificates that change while a server starts, serves, or is asked by one of its handlers, and what is said of those that cannot be used. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import {
  HTTPSServer,
  type HTTPSServerOptions,
  type ListenOptions,
  MemoryTransport,
  ThreadingHTTPSServer,
  type Transport,
} from "plinth";
import { runtime, sharesPorts } from "../support/runtime.ts";
import { Secure } from "./https_handler.ts";
import { ask, eventually, fingerprintOf, folderOf, one, said, newName, serve, shaken, two } from "./https_support.ts";

const modes: [where: string, options: HTTPSServerOptions, Server: typeof HTTPSServer][] = [
  ["on the event loop", {}, HTTPSServer],
  ["in threads", { threads: 2 } as HTTPSServerOptions, ThreadingHTTPSServer as unknown as typeof HTTPSServer],
  ...(sharesPorts ? [["with listeners", { listeners: 2 }, HTTPSServer] as (typeof modes)[number]] : []),
];

const first = { cert: one.cert, key: one.key };
const second = { cert: two.cert, key: two.key };

/** The fingerprints of the certificates that clients get. */
async function presented(port: number, options: { servername?: string } = {}): Promise<Set<string>> {
  const sockets = await Promise.all(
    Array.from({ length: 8 }, () => shaken(port, { servername: newName(), ...options })),
  );
  const fingerprints = new Set(sockets.map(fingerprintOf));
  for (const socket of sockets) socket.destroy();
  return fingerprints;
}

/** Waits until all clients get a certificate; then they go on to get it. */
async function allGet(port: number, fingerprint: string, options: { servername?: string } = {}): Promise<void> {
  const isSo = async (): Promise<boolean> => {
    const found = await presented(port, options);
    return found.size === 1 && found.has(fingerprint);
  };
  await eventually(isSo, "the certificate");
  for (let i = 0; i < 5; i++) assert.ok(await isSo());
}

for (const [where, more, Server] of modes)
  describe(where, () => {
    test("a certificate changes while connections go on; a bad one changes nothing", async (t) => {
      const file = folderOf(t, { "cert.pem": one.cert, "key.pem": one.key });
      const options = { ...more, certfile: file("cert.pem"), keyfile: file("key.pem") };
      const { httpd, port } = await serve(t, options, Server);
      const before = await shaken(port);
      assert.equal(fingerprintOf(before), one.fingerprint);
      writeFileSync(file("key.pem"), two.key);
      await assert.rejects(httpd.setCertificate(), /does not belong to the certificate/);
      await assert.rejects(httpd.setCertificate({ certfile: file("none") }), /there is no such file/);
      await allGet(port, one.fingerprint);
      writeFileSync(file("cert.pem"), two.cert);
      await httpd.setCertificate();
      await allGet(port, two.fingerprint);
      assert.equal((await ask(before)).scheme, "https");
      before.destroy();
      await httpd.setCertificate(first);
      await allGet(port, one.fingerprint);
    });

    test("also while the server starts, whenever that is", async (t) => {
      for (const wait of [() => Promise.resolve(), () => new Promise((resolve) => setTimeout(resolve, 30))]) {
        const options: HTTPSServerOptions = { ...more, ...first, log: "none" };
        const httpd = new Server(["127.0.0.1", 0], Secure, options);
        t.after(() => httpd.serverClose());
        const activation = httpd.serverActivate();
        await wait();
        await httpd.setCertificate(second);
        await activation;
        await allGet(httpd.serverAddress[1], two.fingerprint);
      }
    });

    test("a handler may change it, and is told what is wrong", async (t) => {
      const { httpd, port } = await serve(t, more, Server);
      assert.equal(await request(port, second), "done");
      await allGet(port, two.fingerprint);
      assert.match(
        await request(port, { certfile: "/none.pem" }),
        /^Error: cannot read the certificate \/none\.pem.* ENOENT$/,
      );
      assert.match(await request(port, { cert: 1 }), /^TypeError: cert must be a string/);
      await allGet(port, two.fingerprint);
      assert.equal(await request(port, null), "done");
      await httpd.setCertificate(first);
      await allGet(port, one.fingerprint);
    });
  });

async function request(port: number, change: unknown): Promise<string> {
  const socket = await shaken(port);
  const content = JSON.stringify(change);
  socket.end(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${content.length}\r\n\r\n${content}`);
  let text = "";
  for await (const bytes of socket as AsyncIterable<Buffer>) text += bytes.toString();
  return text.slice(text.indexOf("\r\n\r\n") + 4);
}

test("changes that are asked for at once are made in order: the last one counts", async (t) => {
  const { httpd, port } = await serve(t);
  const file = folderOf(t, { "one.pem": one.cert + one.key, "two.pem": two.cert + two.key });
  for (let i = 0; i < 10; i++) {
    await Promise.all([
      httpd.setCertificate({ certfile: file("one.pem") }),
      httpd.setCertificate(first),
      assert.rejects(httpd.setCertificate({ certfile: file("none.pem") })),
      httpd.setCertificate({ certfile: file("two.pem") }),
      httpd.setCertificate(),
    ]);
    assert.deepEqual([...(await presented(port))], [two.fingerprint]);
  }
});

test("before the server listens it is checked, and used then", async (t) => {
  const httpd = new HTTPSServer(["127.0.0.1", 0], Secure, { ...first, log: "none" });
  t.after(() => httpd.serverClose());
  await assert.rejects(httpd.setCertificate({ certfile: "/none.pem" }), /there is no such file/);
  await httpd.setCertificate(second);
  await httpd.serverActivate();
  await allGet(httpd.serverAddress[1], two.fingerprint);
});

test("after an activation that has failed, files are read again", async (t) => {
  const { httpd: other, port } = await serve(t);
  const file = folderOf(t, { "both.pem": one.cert + one.key });
  const httpd = new HTTPSServer(["127.0.0.1", port], Secure, { certfile: file("both.pem"), log: "none" });
  t.after(() => httpd.serverClose());
  await assert.rejects(httpd.serverActivate(), /in use/);
  writeFileSync(file("both.pem"), two.cert + two.key);
  await other.shutdown();
  await httpd.serverActivate();
  await allGet(port, two.fingerprint);
});

test("server names change with it, and stay where it has none", async (t) => {
  const { httpd, port } = await serve(t, { serverNames: { "b.example": second } });
  await httpd.setCertificate(second);
  await allGet(port, two.fingerprint);
  await httpd.setCertificate(first);
  await allGet(port, two.fingerprint, { servername: "b.example" });
  await httpd.setCertificate({ ...second, serverNames: { "C.example": first } });
  await allGet(port, one.fingerprint, { servername: "c.example" });
  await allGet(port, two.fingerprint, { servername: "b.example" });
  await httpd.setCertificate({ ...first, serverNames: {} });
  await allGet(port, one.fingerprint, { servername: "c.example" });
});

test("names that a server gets while it listens are presented, or refused with words", async (t) => {
  const { httpd, port } = await serve(t);
  const change = httpd.setCertificate({ ...first, serverNames: { "b.example": second } });
  if (runtime === "bun") await assert.rejects(change, /cannot be given any while it listens$/);
  else await change;
  await allGet(port, runtime === "bun" ? one.fingerprint : two.fingerprint, { servername: "b.example" });
});

test("certificates may be bytes, and what is given may be changed afterwards", async (t) => {
  const bytes = { cert: Buffer.from(one.cert), key: Buffer.from(one.key) };
  const { httpd, port } = await serve(t, bytes);
  bytes.cert.fill(0);
  await httpd.setCertificate();
  assert.equal((await said(port)).scheme, "https");
});

test("what is wrong with a certificate is said with the name of its file or option", async () => {
  const broken = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";
  for (const [options, why] of [
    [{ ...first, cert: one.cert + broken }, /^certificate 2 in cert cannot be read$/],
    [{ ...first, requestCert: true, ca: [two.cert, broken] }, /^certificate 1 in ca cannot be read$/],
    [{ ...first, requestCert: true, ca: "text" }, /^ca has no certificate in PEM form/],
    [
      { ...first, serverNames: { b: { ...second, key: one.key } } },
      /^the private key in key does not belong to .* cert$/,
    ],
  ] as [HTTPSServerOptions, RegExp][]) {
    const httpd = new HTTPSServer(["127.0.0.1", 0], Secure, { log: "none", ...options });
    await assert.rejects(httpd.serverActivate(), (error: Error) => (assert.match(error.message, why), true));
    httpd.serverClose();
  }
});

test("a transport that does not speak TLS is refused, and serves nothing", async () => {
  const memory = new MemoryTransport();
  const plain: Transport = {
    endOfTurn: (task) => memory.endOfTurn(task),
    listen: (address, { tls: _tls, ...options }: ListenOptions, accept) => memory.listen(address, options, accept),
  };
  const httpd = new HTTPSServer(["a", 443], Secure, { ...first, log: "none", transport: plain });
  await assert.rejects(httpd.serverActivate(), /the transport does not speak TLS/);
  assert.throws(() => memory.connect(), /does not listen/);
  httpd.serverClose();
});
