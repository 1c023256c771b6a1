/** Servers that speak HTTPS: certificates, names, versions, clients' certificates, and handshakes that go wrong. The behaviour suite has the rest. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { describe, test } from "node:test";
import type tls from "node:tls";
import {
  BaseHTTPRequestHandler,
  HTTPServer,
  HTTPSServer,
  type HTTPSServerOptions,
  MemoryTransport,
  selfSignedCertificate,
  ThreadingHTTPSServer,
} from "plinth";
import { testOn } from "../support/runtime.ts";
import { Secure } from "./https_handler.ts";
import { ask, encrypted, fingerprintOf, folderOf, one, said, serve, shake, shaken, two } from "./https_support.ts";
import { until } from "./support.ts";

const modes: Record<string, [options: HTTPSServerOptions, Server: typeof HTTPSServer]> = {
  "on the event loop": [{}, HTTPSServer],
  "in threads": [{ threads: 1 } as HTTPSServerOptions, ThreadingHTTPSServer as unknown as typeof HTTPSServer],
};

for (const [where, [more, Server]] of Object.entries(modes)) {
  describe(where, () => {
    test("a handler knows the scheme, and the name that was asked for", async (t) => {
      const { port } = await serve(t, more, Server);
      assert.deepEqual(await said(port), { scheme: "https", serverName: "localhost", client: null });
      assert.deepEqual(await said(port, { servername: "" }), { scheme: "https", serverName: null, client: null });
    });

    test("and the certificate of a client that was asked for one", async (t) => {
      const client = selfSignedCertificate(["robot.example"]);
      const options = { ...more, requestCert: true, ca: client.cert };
      const { port, log } = await serve(t, options, Server);
      const { client: subject } = await said(port, { cert: client.cert, key: client.key });
      assert.equal(subject, "CN=Plinth self-signed");
      // With TLS 1.3 a client learns only after the handshake that it was refused.
      for (const [identity, why] of [
        [{}, /the client has sent no certificate/],
        [{ cert: two.cert, key: two.key }, /the client's certificate is not trusted/],
      ] as const) {
        log.length = 0;
        const socket = await shake(port, identity);
        if (typeof socket !== "string") await once(socket, "close").catch(() => {});
        await until(() => log.length > 0, "a line in the log");
        assert.match(log.join("\n"), why);
        assert.equal(log.length, 1);
      }
    });

    test("which it need not have where it is optional", async (t) => {
      const client = selfSignedCertificate(["robot.example"]);
      const { port } = await serve(t, { ...more, requestCert: "optional", ca: [two.cert, client.cert] }, Server);
      assert.equal((await said(port)).client, null);
      assert.equal((await said(port, { cert: one.cert, key: one.key })).client, null, "not trusted");
      assert.equal((await said(port, { cert: client.cert, key: client.key })).client, "CN=Plinth self-signed");
    });
  });
}

describe("certificates", () => {
  const other = { cert: two.cert, key: two.key };

  test("several on one port, by the name that is asked for", async (t) => {
    const { port } = await serve(t, { serverNames: { "B.example": other, "*.c.example": other } });
    for (const [servername, { fingerprint }] of [
      ["b.example", two],
      ["x.c.example", two],
      ["X.C.EXAMPLE", two],
      ["x.y.c.example", one],
      ["c.example", one],
      ["localhost", one],
      ["", one],
    ] as const) {
      const socket = await shaken(port, { servername });
      assert.equal(fingerprintOf(socket), fingerprint, servername);
      socket.destroy();
    }
  });

  test("come from files, one or two, and an encrypted key with its password", async (t) => {
    const file = folderOf(t, {
      "both.pem": one.key + one.cert,
      "cert.pem": one.cert,
      "key.pem": one.key,
      "secret.pem": encrypted(one.key, "secret"),
    });
    for (const options of [
      { certfile: file("both.pem") },
      { certfile: file("cert.pem"), keyfile: file("key.pem") },
      { certfile: file("cert.pem"), keyfile: file("secret.pem"), password: "secret" },
    ]) {
      const { port } = await serve(t, options);
      assert.equal((await said(port)).scheme, "https");
    }
  });

  test("what is wrong with one is said when the server is activated", async (t) => {
    const file = folderOf(t, {
      "cert.pem": one.cert,
      "key.pem": one.key,
      "secret.pem": encrypted(one.key, "secret"),
      "other.pem": two.key,
      "text.pem": "text",
    });
    for (const [options, why] of [
      [{ certfile: file("none.pem") }, /^cannot read the certificate .*none\.pem: there is no such file$/],
      [
        { certfile: file("cert.pem"), keyfile: file("none.pem") },
        /^cannot read the private key .*: there is no such file$/,
      ],
      [{ certfile: file("text.pem") }, /text\.pem has no certificate in PEM form/],
      [{ certfile: file("cert.pem") }, /cert\.pem has no private key in PEM form/],
      [
        { certfile: file("cert.pem"), keyfile: file("other.pem") },
        /^the private key in .*other\.pem does not belong to the certificate in .*cert\.pem$/,
      ],
      [
        { certfile: file("cert.pem"), keyfile: file("secret.pem") },
        /^the private key in .*secret\.pem is encrypted: give its password$/,
      ],
      [
        { certfile: file("cert.pem"), keyfile: file("secret.pem"), password: "wrong" },
        /cannot be read with that password$/,
      ],
      [
        { cert: "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", key: one.key, certfile: undefined },
        /^certificate 1 in cert cannot be read$/,
      ],
    ] as [HTTPSServerOptions, RegExp][]) {
      const httpd = new HTTPSServer(["127.0.0.1", 0], Secure, { log: "none", ...options });
      await assert.rejects(httpd.serverActivate(), (error: Error) => (assert.match(error.message, why), true));
      httpd.serverClose();
    }
  });

  test("options are checked when the server is constructed", () => {
    const { cert, key } = one;
    for (const [options, why] of [
      [{}, /HTTPSServer needs a certificate: either certfile, the path of a PEM file, or cert/],
      [{ cert, certfile: "x" }, /either certfile/],
      [{ cert, key, keyfile: "x" }, /both keyfile and key/],
      [{ cert: 1 }, /cert must be a string, not 1/],
      [{ cert, key, requestCert: "yes" }, /requestCert must be true, false or "optional", not "yes"/],
      [{ cert, key, alpnProtocols: [] }, /alpnProtocols must be an array of names/],
      [{ cert, key, ca: 7 }, /ca must be PEM text/],
      [{ cert, key, serverNames: { a: {} } }, /serverNames\["a"\] needs a certificate/],
      [{ cert, key, handshakeTimeout: 0 }, /handshakeTimeout must be a number of milliseconds above 0/],
      [{ cert, key, maxHandshakes: 0.5 }, /maxHandshakes/],
      [{ cert, key, cipher: "x" }, /there is no option cipher/],
    ] as [HTTPSServerOptions, RegExp][])
      assert.throws(
        () => new HTTPSServer(["", 0], Secure, options),
        (error: Error) => (assert.match(error.message, why), true),
      );
    assert.throws(() => new HTTPServer(["", 0], Secure, { cert } as never), /there is no option cert/);
  });
});

describe("versions and sessions", () => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    // Deno's own client resumes no session of TLS 1.2.
    const testVersion = version === "TLSv1.2" ? testOn("node", "bun") : test;
    testVersion(`${version}: a session is resumed, also after the certificate has changed`, async (t) => {
      const { httpd, port } = await serve(t);
      const options = { minVersion: version, maxVersion: version };
      for (let i = 0; i < 2; i++) {
        const first = await shaken(port, options);
        let session: Uint8Array | undefined = first.getSession();
        first.on("session", (one: Buffer) => (session = one));
        assert.equal(first.getProtocol(), version);
        await ask(first);
        first.destroy();
        const second = await shaken(port, {
          ...options,
          ...(session === undefined ? {} : { session: Buffer.from(session) }),
        });
        assert.equal(second.isSessionReused(), true);
        await ask(second);
        second.destroy();
        await httpd.setCertificate({ cert: two.cert, key: two.key });
      }
    });
  }

  testOn("node", "bun")("TLS 1.2 has forward secrecy and authenticated encryption only", async (t) => {
    const { port, log } = await serve(t);
    for (const [ciphers, isTaken] of [
      ["ECDHE-ECDSA-AES128-GCM-SHA256", true],
      ["ECDHE-ECDSA-AES128-SHA", false],
      ["ECDHE-ECDSA-AES256-SHA", false],
    ] as const) {
      const socket = await shake(port, { maxVersion: "TLSv1.2", ciphers });
      assert.equal(typeof socket !== "string", isTaken, ciphers);
      if (typeof socket !== "string") socket.destroy();
    }
    await until(() => log.length === 2, "two lines in the log");
    for (const line of log) assert.match(line, /the client and this server have no cipher in common$/);
  });

  test("ALPN: http/1.1, or none; another protocol alone is refused", async (t) => {
    const { port, log } = await serve(t);
    for (const [ALPNProtocols, chosen] of [
      [["h2", "http/1.1"], "http/1.1"],
      [undefined, false],
    ] as const) {
      const socket = await shaken(port, ALPNProtocols === undefined ? {} : { ALPNProtocols: [...ALPNProtocols] });
      assert.equal(socket.alpnProtocol, chosen);
      await ask(socket); // with TLS 1.3 the server's handshake ends later than the client's
      socket.destroy();
    }
    log.length = 0;
    assert.equal(typeof (await shake(port, { ALPNProtocols: ["h2"] })), "string");
    await until(() => log.length > 0, "a line in the log");
    assert.match(log[0], /the TLS handshake has failed: the client speaks none of this server's protocols \(ALPN\)$/);
  });
});

describe("handshakes", () => {
  /** Sends bytes, and waits until the server closes the connection. @returns what it has sent */
  async function sent(port: number, bytes: string | Buffer): Promise<string> {
    const socket = net.connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (data: Buffer) => (text += data.toString("latin1")));
    socket.on("error", () => {});
    socket.write(bytes);
    await new Promise<void>((resolve) => socket.on("close", () => resolve()));
    return text;
  }

  test("HTTP without TLS gets a 400 that says so", async (t) => {
    const { port, log } = await serve(t);
    const large = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + "x".repeat(300_000);
    assert.match(await sent(port, large), /^HTTP\/1\.1 400 Bad Request\r\n/);
    const text = await sent(port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n[^]*\r\n\r\nThis port speaks HTTPS, .*\n$/);
    const [, length] = /Content-Length: (\d+)/.exec(text)!;
    assert.equal(text.length - text.indexOf("\r\n\r\n") - 4, Number(length));
    await until(() => log.length > 0, "a line in the log");
    assert.match(log.join("\n"), /127\.0\.0\.1: the TLS handshake has failed: the client speaks HTTP without TLS$/);
  });

  test("what is neither gets an alert, and a line in the log; others go on", async (t) => {
    const { port, log } = await serve(t);
    const other = await shaken(port);
    const record = (length: number): Buffer =>
      Buffer.concat([Buffer.from([22, 3, 1, length >> 8, length & 255]), Buffer.alloc(length)]);
    for (const bytes of [
      Buffer.from("\0garbage\r\n\r\n"),
      record(16 * 1024 + 1),
      record(40),
      Buffer.alloc(100_000, 255),
    ]) {
      log.length = 0;
      await sent(port, bytes);
      await until(() => log.length > 0, "a line in the log");
      assert.equal(log.length, 1);
      assert.match(log[0], /127\.0\.0\.1: the TLS handshake has failed: \S/);
      assert.doesNotMatch(log[0], /routines|\.c:|0x/);
    }
    assert.equal((await ask(other)).scheme, "https");
    other.destroy();
  });

  test("have a deadline, however they drip, and a limit", async (t) => {
    const { port, log } = await serve(t, { handshakeTimeout: 2500, maxHandshakes: 3 });
    const begun = performance.now();
    const silent = Array.from({ length: 3 }, () => net.connect(port, "127.0.0.1"));
    for (const socket of silent) socket.on("error", () => {});
    const hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    const dripping = setInterval(() => silent[2].write(Buffer.from([hello.shift() ?? 0])), 20);
    t.after(() => clearInterval(dripping));
    await Promise.all(silent.map((socket) => once(socket, "connect")));
    const closed = silent.map((socket) => new Promise((resolve) => socket.resume().on("close", resolve)));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(typeof (await shake(port)), "string", "a fourth: none of the others stalls yet");
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const other = await shaken(port); // another one: the oldest is given up for it
    await Promise.all(closed);
    assert.ok(performance.now() - begun >= 2400); // the clock of a server is exact to a tick
    assert.equal((await ask(other)).scheme, "https");
    other.destroy();
    const count = (what: RegExp): number => log.filter((line) => what.test(line)).length;
    assert.equal(count(/too many TLS handshakes: with 3 under way/), 1, log.join("\n"));
    assert.equal(count(/closed, since too many were under way: 2$/), 1, log.join("\n"));
    assert.equal(count(/it has taken more than 2500 ms$/), 2, log.join("\n"));
  });

  test("a client that leaves is a line in the log", async (t) => {
    const { port, log } = await serve(t);
    for (const bytes of ["", "\x16", "\x16\x03\x01\x02", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc"]) {
      for (const how of ["end", "resetAndDestroy"] as const) {
        log.length = 0;
        const socket = net.connect(port, "127.0.0.1");
        await once(socket, "connect");
        if (bytes !== "") await new Promise((resolve) => socket.write(Buffer.from(bytes, "latin1"), resolve));
        await new Promise((resolve) => setTimeout(resolve, 50));
        socket[how]();
        await until(() => log.length > 0, `a line in the log: ${how} after ${bytes.length} bytes`);
        assert.match(log[0], /the TLS handshake has failed: the client has left$/);
        socket.destroy();
      }
    }
  });

  test("count as connections, and make room for others where they stall", async (t) => {
    const { port } = await serve(t, { maxConnections: 4 });
    const others: tls.TLSSocket[] = [];
    const add = async (): Promise<void> => {
      const socket = await shaken(port);
      await ask(socket); // with TLS 1.3 the server's handshake ends later than the client's
      others.push(socket);
    };
    await add();
    await add();
    const silent: net.Socket[] = [];
    for (let i = 0; i < 2; i++) {
      const socket = net.connect(port, "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
      silent.push(socket);
    }
    assert.equal(typeof (await shake(port)), "string", "two connections and two handshakes are four");
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await add(); // the oldest handshake is given up for each, since it stalls
    await add();
    assert.equal(typeof (await shake(port)), "string", "four connections");
    for (const socket of others) assert.equal((await ask(socket)).scheme, "https");
    for (const socket of [...silent, ...others]) socket.destroy();
  });

  test("a server that shuts down waits for them for shutdownGrace, and no longer", async (t) => {
    const { httpd, port, log } = await serve(t, { shutdownGrace: 200 });
    const silent = net.connect(port, "127.0.0.1");
    silent.on("error", () => {});
    await once(silent, "connect");
    await new Promise((resolve) => setTimeout(resolve, 50));
    const begun = performance.now();
    await httpd.shutdown();
    const took = performance.now() - begun;
    assert.ok(took >= 100 && took < 3000, `${took} ms`);
    assert.match(log.join("\n"), /the TLS handshake has failed: the server stops$/);
    silent.destroy();
  });
});

describe("shutting down", () => {
  test("connections that wait are accepted, and those in their handshake get their response", async (t) => {
    const { httpd, port, log } = await serve(t);
    await said(port);
    const late = await connected(port);
    await new Promise((resolve) => setTimeout(resolve, 50)); // the server has accepted it
    const waiting = Array.from({ length: 40 }, () => said(port));
    await Promise.resolve(); // by now, the system has connected them
    const stopped = httpd.shutdown();
    for (const { scheme } of await Promise.all(waiting)) assert.equal(scheme, "https");
    assert.equal((await said(port, { socket: late })).scheme, "https");
    await stopped;
    assert.deepEqual(
      log.filter((line) => line.includes("handshake")),
      [],
    );
  });

  async function connected(port: number): Promise<net.Socket> {
    const socket = net.connect(port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  }
});

test("a certificate for trying has the names and addresses that it is asked for", () => {
  const { cert } = selfSignedCertificate([
    "localhost",
    "10.0.0.1",
    "::1",
    "fe80::1%eth0",
    "::ffff:1.2.3.4",
    "bücher.example",
    "10.2",
  ]);
  const certificate = new X509Certificate(cert);
  for (const name of ["localhost", "xn--bcher-kva.example"]) assert.equal(certificate.checkHost(name), name);
  for (const address of ["10.0.0.1", "10.0.0.2", "::1", "fe80::1", "::ffff:102:304"])
    assert.notEqual(certificate.checkIP(address), undefined, address);
  assert.equal(certificate.checkHost("other.example"), undefined);
});

describe("without a network", () => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendJson([this.scheme, this.serverName, this.clientCertificate?.subject ?? null]);
    }
  }

  test("inject, and a MemoryTransport, pretend", async () => {
    const { cert, key } = one;
    const transport = new MemoryTransport();
    const httpd = new HTTPSServer(["a", 443], Handler, { cert, key, log: "none", transport });
    const { raw } = new X509Certificate(two.cert);
    assert.deepEqual((await httpd.inject()).json(), ["https", null, null]);
    const secure = { serverName: "B.Example", clientCertificate: raw }; // a client may write it so
    assert.deepEqual((await httpd.inject({ secure })).json(), ["https", "b.example", "CN=Plinth self-signed"]);
    const plain = new HTTPServer(["a", 80], Handler, { log: "none" });
    assert.deepEqual((await plain.inject({ secure })).json(), ["http", null, null]);
    await httpd.serverActivate();
    const client = transport.connect(secure);
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => client.take().includes("https"), "the response");
    client.destroy();
    await httpd.shutdown();
    await plain.shutdown();
  });
});
