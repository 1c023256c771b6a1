/** OpenSSL's s_client, as people look at a server's TLS: versions, ciphers, sessions, names, ALPN, clients' certificates, renegotiation. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import { before, describe, test, type TestContext } from "node:test";
import { selfSignedCertificate } from "plinth";
import { nodeTransport } from "../../src/transport/node.ts";
import type { TlsSettings } from "../../src/transport/transport.ts";
import { until } from "../server/support.ts";
import { sharesPorts } from "../support/runtime.ts";
import { requireProgram } from "../support/system.ts";
import { thorough, thoroughly } from "../support/thorough.ts";
import {
  askTls,
  elsewhere,
  expectFailure,
  expiredCertificate,
  failuresIn,
  folderOf,
  own,
  type Ran,
  runAnyhow,
  serveTls,
} from "./tls_server.ts";

const openssl = requireProgram("openssl");
const skip = { skip: elsewhere || openssl.skip };

const REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const VERSIONS = { "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3" } as const;

/** Sends a request, and waits until the connection ends. */
function sClient(port: number, ...args: readonly string[]): Promise<Ran> {
  return runAnyhow(openssl.path, ["s_client", "-connect", `127.0.0.1:${port}`, "-ign_eof", ...args], REQUEST);
}

function assertServed({ output }: Ran): void {
  assert.match(output, /HTTP\/1\.1 200 /);
}

function assertRefused({ output, status }: Ran): void {
  assert.doesNotMatch(output, /HTTP\/1\.1 200 /);
  assert.notEqual(status, 0, output);
}

/** Runs a command of OpenSSL that must succeed. */
async function make(...args: readonly string[]): Promise<void> {
  const { status, output } = await runAnyhow(openssl.path, args);
  assert.equal(status, 0, output);
}

/** A certificate that another has signed. */
async function issue(file: (name: string) => string, name: string, by: string, extensions: string): Promise<void> {
  const request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await make(...request, "-subj", `/CN=${name}`, "-keyout", file(`${name}.key`), "-out", file(`${name}.csr`));
  const signing = ["x509", "-req", "-in", file(`${name}.csr`), "-out", file(`${name}.pem`), "-days", "10"];
  writeFileSync(file(`${name}.ext`), extensions);
  const authority = ["-CA", file(`${by}.pem`), "-CAkey", file(`${by}.key`), "-CAcreateserial"];
  await make(...signing, ...authority, "-extfile", file(`${name}.ext`));
}

/** A self-signed certificate of an authority, or one with an RSA key. */
async function makeSelfSigned(file: (name: string) => string, name: string, key: string[], more: string[] = []) {
  const args = ["req", "-x509", ...key, "-nodes", "-days", "10", "-subj", `/CN=${name}`, ...more];
  await make(...args, "-keyout", file(`${name}.key`), "-out", file(`${name}.pem`));
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA = ["-newkey", "rsa:2048"];

/** A server of Node's that takes anything, to see that the client does offer it. A connection ends behind a request. */
async function serveAnything(t: TestContext, options: tls.TlsOptions): Promise<number> {
  const server = tls.createServer(options, (socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => void server.close());
  return (server.address() as net.AddressInfo).port;
}

describe("versions", () => {
  for (const [version, flag] of Object.entries(VERSIONS)) {
    test(`${version} is spoken`, skip, async (t) => {
      const { port } = await serveTls(t);
      const ran = await sClient(port, flag);
      assertServed(ran);
      assert.match(ran.output, new RegExp(`New, ${version}, Cipher is \\S*(GCM|CHACHA20)`));
    });
  }

  for (const [version, flag] of Object.entries({ "TLSv1.1": "-tls1_1", TLSv1: "-tls1" })) {
    test(`${version} is refused`, skip, async (t) => {
      const offering = [flag, "-cipher", "DEFAULT@SECLEVEL=0"];
      const { cert, key } = own;
      const lax = { cert, key, minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
      assertServed(await sClient(await serveAnything(t, lax), ...offering));
      const { port, log } = await serveTls(t);
      const ran = await sClient(port, ...offering);
      assertRefused(ran);
      assert.match(ran.output, /alert protocol version/);
      await expectFailure(log, /the client speaks no version of TLS that this server speaks \(1\.2 and 1\.3\)$/);
    });
  }
});

describe("ciphers", () => {
  /** A ClientHello of TLS 1.2 (RFC 5246 §7.4.1.2) that offers one cipher suite. */
  function helloWith(suite: number): Buffer {
    const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
    const extensions = [
      [10, [0, 4, 0, 29, 0, 23]], // groups: x25519, secp256r1
      [11, [1, 0]], // points: uncompressed
      [13, [0, 8, 4, 1, 8, 4, 4, 3, 2, 1]], // signatures: rsa_pkcs1, rsa_pss and ecdsa with SHA-256, rsa_pkcs1 with SHA-1
    ] as const;
    const coded = Buffer.concat(
      extensions.map(([type, data]) => Buffer.concat([u16(type), u16(data.length), Buffer.from(data)])),
    );
    const body = Buffer.concat([
      Buffer.from([3, 3]),
      Buffer.alloc(32, 7), // random
      Buffer.from([0]), // no session
      u16(2),
      u16(suite),
      Buffer.from([1, 0]), // no compression
      u16(coded.length),
      coded,
    ]);
    const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
    return Buffer.concat([Buffer.from([22, 3, 1]), u16(message.length), message]);
  }

  /** @returns the first 7 bytes of what the server sends */
  async function firstBytes(port: number, hello: Buffer): Promise<number[]> {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(hello);
    const [data] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    return [...data.subarray(0, 7)];
  }

  let rsa: { cert: string; key: string };
  before(async () => {
    if (skip.skip !== false) return;
    const args = [
      "req",
      "-x509",
      ...RSA,
      "-nodes",
      "-days",
      "10",
      "-subj",
      "/CN=localhost",
      "-keyout",
      "-",
      "-out",
      "-",
    ];
    const { output } = await runAnyhow(openssl.path, args);
    rsa = { cert: output, key: output };
  });

  const WEAK: Readonly<Record<string, number>> = {
    RSA_EXPORT_RC4_40_MD5: 0x0003,
    RSA_RC4_128_SHA: 0x0005,
    ECDHE_RSA_RC4_128_SHA: 0xc011,
    RSA_DES_CBC_SHA: 0x0009,
    RSA_3DES_EDE_CBC_SHA: 0x000a,
    ECDHE_RSA_3DES_EDE_CBC_SHA: 0xc012,
    RSA_NULL_SHA256: 0x003b,
    ECDHE_RSA_NULL_SHA: 0xc010,
    DH_anon_AES_128_CBC_SHA: 0x0034,
    ECDH_anon_AES_128_CBC_SHA: 0xc018,
  };
  /** Without forward secrecy: who learns the key of the certificate can read all that was ever recorded (RFC 9325 §4.1). */
  const RSA_KEY_EXCHANGE: Readonly<Record<string, number>> = {
    RSA_AES_128_CBC_SHA: 0x002f,
    RSA_AES_128_GCM_SHA256: 0x009c,
    RSA_AES_256_GCM_SHA384: 0x009d,
    RSA_AES_128_CCM_8: 0xc0a0,
  };

  test("the recommended ones are taken (RFC 9325 §4.2)", skip, async (t) => {
    const rsaServer = await serveTls(t, rsa);
    const ecServer = await serveTls(t);
    for (const [suite, { port }] of [
      [0xc02f, rsaServer], // ECDHE_RSA_WITH_AES_128_GCM_SHA256
      [0xc030, rsaServer], // ECDHE_RSA_WITH_AES_256_GCM_SHA384
      [0xcca8, rsaServer], // ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
      [0xc02b, ecServer], // ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
      [0xc02c, ecServer], // ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
      [0xcca9, ecServer], // ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    ] as const) {
      const [type, , , , , message] = await firstBytes(port, helloWith(suite));
      assert.deepEqual([type, message], [22, 2], `${suite.toString(16)}: a ServerHello`);
    }
  });

  for (const [kind, suites] of Object.entries({
    "weak ones": WEAK,
    "those without forward secrecy": RSA_KEY_EXCHANGE,
  })) {
    test(`${kind} are refused`, skip, async (t) => {
      const { port, log } = await serveTls(t, rsa);
      for (const [name, suite] of Object.entries(suites)) {
        const alert = [21, 3, 3, 0, 2, 2, 40]; // handshake_failure
        assert.deepEqual(await firstBytes(port, helloWith(suite)), alert, name);
        await expectFailure(log, /the client and this server have no cipher in common$/);
      }
    });
  }

  test("s_client gets none without forward secrecy, though it offers them", skip, async (t) => {
    const offering = ["-tls1_2", "-cipher", "kRSA@SECLEVEL=0"];
    assertServed(await sClient(await serveAnything(t, rsa), ...offering));
    const { port, log } = await serveTls(t, rsa);
    assertRefused(await sClient(port, ...offering));
    await expectFailure(log, /no cipher in common$/);
  });
});

describe("sessions", () => {
  for (const [version, flag] of Object.entries(VERSIONS)) {
    test(`${version}: a session is resumed`, skip, async (t) => {
      const { port } = await serveTls(t);
      const session = folderOf(t)("session");
      const first = await sClient(port, flag, "-sess_out", session);
      assert.match(first.output, new RegExp(`New, ${version}`));
      const second = await sClient(port, flag, "-sess_in", session);
      assert.match(second.output, new RegExp(`Reused, ${version}`));
      assertServed(second);
    });

    test(`${version}: by another server with the same ticket keys, and with other keys not`, skip, async (t) => {
      const ticketKeys = Buffer.alloc(48, 1);
      const ports = await Promise.all([ticketKeys, ticketKeys, Buffer.alloc(48, 2)].map((keys) => listen(t, keys)));
      const session = folderOf(t)("session");
      assert.match((await sClient(ports[0], flag, "-sess_out", session)).output, /New, /);
      const resumed = await sClient(ports[1], flag, "-sess_in", session);
      assert.match(resumed.output, /Reused, /);
      assertServed(resumed);
      const other = await sClient(ports[2], flag, "-sess_in", session);
      assert.match(other.output, /New, /);
      assertServed(other);
    });

    if (sharesPorts) {
      test(`${version}: by any of three event loops`, skip, async (t) => {
        const { port } = await serveTls(t, { listeners: 3 });
        const session = folderOf(t)("session");
        await sClient(port, flag, "-sess_out", session);
        const resumed = await Promise.all(Array.from({ length: 12 }, () => sClient(port, flag, "-sess_in", session)));
        for (const { output } of resumed) assert.match(output, /Reused, /);
      });
    }
  }

  test("-reconnect: five more connections resume the session of the first", skip, async (t) => {
    const { port } = await serveTls(t);
    const address = `127.0.0.1:${port}`;
    const { output } = await runAnyhow(openssl.path, ["s_client", "-connect", address, "-tls1_2", "-reconnect"]);
    assert.deepEqual([output.match(/^New, TLSv1\.2/gm)?.length, output.match(/^Reused, TLSv1\.2/gm)?.length], [1, 5]);
  });

  /** Listens without a server around it: the settings are those of a test. */
  async function listen(t: TestContext, ticketKeys: Buffer): Promise<number> {
    const settings: TlsSettings = {
      identity: { cert: own.cert, key: own.key },
      serverNames: {},
      ca: undefined,
      clientCertificates: "none",
      alpnProtocols: ["http/1.1"],
      ticketKeys,
    };
    const listener = await nodeTransport().listen(
      ["127.0.0.1", 0],
      {
        backlog: 10,
        onError: () => {},
        tls: { settings, handshakeBegins: () => true, handshakeEnded: () => {} },
      },
      (socket) => ({
        onData: () => {
          socket.write(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
          socket.end();
        },
        onEnd: () => socket.destroy(),
        onDrain: () => {},
        onClose: () => {},
      }),
    );
    t.after(() => listener.close());
    return Number(listener.address[1]);
  }
});

describe("clients' certificates", () => {
  const client = selfSignedCertificate(["robot.example"]);
  const stranger = selfSignedCertificate(["stranger.example"]);
  const expired = expiredCertificate();
  const ca = [client.cert, expired.cert];
  const files = {
    "client.pem": client.cert + client.key,
    "stranger.pem": stranger.cert + stranger.key,
    "expired.pem": expired.cert + expired.key,
  };

  for (const [version, flag] of Object.entries(VERSIONS)) {
    const testMore = version === "TLSv1.3" ? test : thoroughly(test);

    testMore(
      `${version}: required, and none, one of another authority, and an expired one are refused`,
      skip,
      async (t) => {
        const { port, log } = await serveTls(t, { requestCert: true, ca });
        const file = folderOf(t, files);
        for (const [args, why] of [
          [[], /the client has sent no certificate$/],
          [["-cert", file("stranger.pem")], /the client's certificate is not trusted/],
          [["-cert", file("expired.pem")], /the client's certificate has expired$/],
        ] as [string[], RegExp][]) {
          const { output } = await sClient(port, flag, ...args);
          assert.doesNotMatch(output, /HTTP\/1\.1 200/);
          await expectFailure(log, why);
        }
        const good = await sClient(port, flag, "-cert", file("client.pem"));
        assert.match(good.output, /"client":"CN=Plinth self-signed"/);
        assert.deepEqual(failuresIn(log), []);
      },
    );

    testMore(
      `${version}: optional, and each gets a connection; the handler sees a trusted one alone`,
      skip,
      async (t) => {
        const { port, log } = await serveTls(t, { requestCert: "optional", ca });
        const file = folderOf(t, files);
        for (const [args, said] of [
          [[], /"client":null/],
          [["-cert", file("stranger.pem")], /"client":null/],
          [["-cert", file("expired.pem")], /"client":null/],
          [["-cert", file("client.pem")], /"client":"CN=Plinth self-signed"/],
        ] as [string[], RegExp][])
          assert.match((await sClient(port, flag, ...args)).output, said);
        assert.deepEqual(failuresIn(log), []);
      },
    );

    testMore(`${version}: a resumed session is as trusted as the first one`, skip, async (t) => {
      const file = folderOf(t, files);
      for (const [requestCert, cert, said] of [
        [true, "client.pem", /"client":"CN=Plinth self-signed"/],
        ["optional", "client.pem", /"client":"CN=Plinth self-signed"/],
        ["optional", "stranger.pem", /"client":null/],
        ["optional", null, /"client":null/],
      ] as const) {
        const { port } = await serveTls(t, { requestCert, ca });
        const args = [flag, ...(cert === null ? [] : ["-cert", file(cert)])];
        assert.match((await sClient(port, ...args, "-sess_out", file("session"))).output, said);
        const { output } = await sClient(port, flag, "-sess_in", file("session"));
        assert.match(output, /Reused, /);
        assert.match(output, said);
      }
    });

    testMore(`${version}: a session of another certificate of the server is resumed, too`, skip, async (t) => {
      const file = folderOf(t, files);
      const serverNames = { "b.example": { cert: stranger.cert, key: stranger.key } };
      const { port, log } = await serveTls(t, { requestCert: true, ca, serverNames });
      const args = [flag, "-servername", "b.example", "-cert", file("client.pem")];
      assertServed(await sClient(port, ...args, "-sess_out", file("session")));
      const { output } = await sClient(port, ...args, "-sess_in", file("session"));
      assert.match(output, /Reused, /, log.join("\n"));
      assert.match(output, /"client":"CN=Plinth self-signed"/);
    });

    testMore(`${version}: the session of a refused client opens no door`, skip, async (t) => {
      const { port } = await serveTls(t, { requestCert: true, ca });
      const file = folderOf(t, files);
      for (const cert of ["stranger.pem", "expired.pem"]) {
        const session = file(`session of ${cert}`);
        await sClient(port, flag, "-cert", file(cert), "-sess_out", session);
        if (!existsSync(session)) continue; // it has not got one
        for (const args of [[], ["-cert", file(cert)]])
          assert.doesNotMatch((await sClient(port, flag, ...args, "-sess_in", session)).output, /HTTP\/1\.1 200/);
      }
    });
  }
});

describe("names and chains", () => {
  const other = selfSignedCertificate(["b.example", "*.c.example"]);

  test("-servername chooses the certificate", skip, async (t) => {
    const { cert, key } = other;
    const certificate = { cert, key };
    const { port } = await serveTls(t, { serverNames: { "b.example": certificate, "*.c.example": certificate } });
    for (const [args, presented] of [
      [["-servername", "b.example"], other],
      [["-servername", "B.Example"], other],
      [["-servername", "x.c.example"], other],
      [["-servername", "x.y.c.example"], own],
      [["-servername", "c.example"], own],
      [["-servername", "unknown.example"], own],
      [["-noservername"], own],
    ] as const) {
      const ran = await sClient(port, ...args);
      assertServed(ran);
      assert.ok(ran.output.includes(presented.cert.trim()), args.join(" "));
    }
  });

  test("a chain is sent whole, and in its order", skip, async (t) => {
    const file = folderOf(t);
    const authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
    await makeSelfSigned(file, "root", EC);
    await issue(file, "middle", "root", authority);
    await issue(file, "second", "middle", authority);
    await issue(file, "leaf", "second", "subjectAltName=DNS:chain.example\n");
    const cert = ["leaf", "second", "middle"].map((name) => readFileSync(file(`${name}.pem`), "utf8")).join("");
    const key = readFileSync(file("leaf.key"), "utf8");
    const verifying = ["-showcerts", "-CAfile", file("root.pem"), "-verify_return_error", "-verify_hostname"];
    for (const options of [{ cert, key }, { serverNames: { "chain.example": { cert, key } } }]) {
      const { port } = await serveTls(t, options);
      const ran = await sClient(port, ...verifying, "chain.example", "-servername", "chain.example");
      assertServed(ran);
      assert.match(ran.output, /Verify return code: 0 \(ok\)/);
      assert.deepEqual(
        [...ran.output.matchAll(/^ ?\d s:CN ?= ?(\w+)/gm)].map(([, name]) => name),
        ["leaf", "second", "middle"],
      );
    }
    const alone = await serveTls(t, { cert: readFileSync(file("leaf.pem"), "utf8"), key });
    assertRefused(await sClient(alone.port, ...verifying, "chain.example"));
  });

  test("-alpn: http/1.1 is spoken, nothing else, and a client need not ask", skip, async (t) => {
    const { port, log } = await serveTls(t);
    for (const flag of thorough ? Object.values(VERSIONS) : ["-tls1_3"]) {
      for (const [args, said] of [
        [["-alpn", "http/1.1"], /ALPN protocol: http\/1\.1/],
        [["-alpn", "h2,http/1.1,http/1.0"], /ALPN protocol: http\/1\.1/],
        [[], /No ALPN negotiated/],
      ] as const) {
        const ran = await sClient(port, flag, ...args);
        assert.match(ran.output, said);
        assertServed(ran);
      }
      for (const unknown of thorough ? ["h2", "HTTP/1.1", "http/1.1x", "spdy/3,http/1.0"] : ["h2"]) {
        const ran = await sClient(port, flag, "-alpn", unknown);
        assertRefused(ran);
        assert.match(ran.output, /alert no application protocol/);
        await expectFailure(log, /the client speaks none of this server's protocols \(ALPN\)$/);
      }
    }
  });
});

describe("renegotiation", () => {
  /** A client of TLS 1.2 at whose stdin each line "R" renegotiates, and "K" in TLS 1.3 changes keys. */
  async function interactive(t: TestContext, port: number, flag: string): Promise<[ChildProcess, () => string]> {
    const args = ["s_client", "-connect", `127.0.0.1:${port}`, flag];
    const child = spawn(openssl.path, args, { stdio: ["pipe", "pipe", "pipe"] });
    const ended = once(child, "close");
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("latin1").on("data", (text: string) => (output += text));
    child.stdin.on("error", () => {});
    t.after(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    await until(() => /^---\n(?:read R BLOCK\n)?$/m.test(output) && output.includes("Verif"), "a handshake");
    return [child, () => output];
  }

  test("a client cannot renegotiate, and others go on", skip, async (t) => {
    // Node's own server lets it.
    const { cert, key } = own;
    const lax = await serveAnything(t, { cert, key });
    const [allowed, heard] = await interactive(t, lax, "-tls1_2");
    allowed.stdin!.write("R\n");
    await until(() => /RENEGOTIATING\n[^]*verify error/.test(heard()), "the second handshake");

    const { port, httpd } = await serveTls(t, { shutdownGrace: 30_000 });
    const [child, output] = await interactive(t, port, "-tls1_2");
    child.stdin!.write("R\n");
    await until(() => child.exitCode !== null, "the end of the client");
    assert.match(output(), /RENEGOTIATING\n[^]*no renegotiation/);
    assert.doesNotMatch(output(), /RENEGOTIATING\n[^]*verify error/);
    assert.equal((await askTls(port)).scheme, "https");
    await httpd.shutdown();
  });

  test("new keys in TLS 1.3 are harmless", skip, async (t) => {
    const { port } = await serveTls(t);
    const [child, output] = await interactive(t, port, "-tls1_3");
    for (let i = 1; i <= 3; i++) {
      child.stdin!.write("K\n");
      await until(() => output().match(/KEYUPDATE/g)?.length === i, "another key");
    }
    child.stdin!.write(REQUEST);
    await until(() => /HTTP\/1\.1 200 [^]*"https"/.test(output()), "a response");
  });
});
