/** Clients of other makers on HTTPS: Python's ssl and http.client, curl, Chromium, and what Deno and Bun call fetch. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import { BaseHTTPRequestHandler, selfSignedCertificate } from "plinth";
import { requireProgram } from "../support/system.ts";
import { thoroughly } from "../support/thorough.ts";
import { run } from "./seed.ts";
import {
  big,
  BIG,
  elsewhere,
  expectFailure,
  failuresIn,
  folderOf,
  hashOf,
  own,
  runAnyhow,
  serveTls,
} from "./tls_server.ts";

const runtimes = new URL("scripts/runtime_files.mjs", import.meta.resolve("plinth/package.json"));
const { executableOf } = (await import(runtimes.href)) as { executableOf(name: string): string | undefined };

const stranger = selfSignedCertificate(["localhost"]);

describe("Python's http.client", () => {
  const python = requireProgram("python3");
  const skip = { skip: elsewhere || python.skip };

  test("requests on one connection, with big content both ways", skip, async (t) => {
    const { port, log } = await serveTls(t);
    const file = folderOf(t, { "ca.pem": own.cert });
    const code = `
import hashlib, http.client, json, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
context.set_alpn_protocols(["http/1.1"])
conn = http.client.HTTPSConnection("localhost", int(sys.argv[1]), timeout=30, context=context)
sockets = set()
def ask(*args, **more):
    conn.request(*args, **more)
    sockets.add(conn.sock.getsockname())
    response = conn.getresponse()
    assert response.status == 200, response.status
    return response.read()
for i in range(100):
    assert json.loads(ask("GET", "/")) == {"scheme": "https", "serverName": "localhost", "client": None}
for i in range(2):
    print(hashlib.sha256(ask("GET", "/big")).hexdigest())
    print(ask("POST", "/", body=b"0123456789abcdef" * 200000).decode())
    print(ask("POST", "/", body=iter([b"x" * 100000] * 20), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}).decode())
print(len(sockets), conn.sock.version() >= "TLSv1.2", conn.sock.selected_alpn_protocol())
`;
    const { stdout } = await run(python.path, ["-c", code, String(port), file("ca.pem")]);
    const lines = [
      hashOf(big),
      `3200000 ${hashOf(Buffer.alloc(3_200_000, "0123456789abcdef"))}`,
      `2000000 ${hashOf(Buffer.alloc(2_000_000, "x"))}`,
    ];
    assert.deepEqual(stdout.trimEnd().split("\n"), [...lines, ...lines, "1 True http/1.1"]);
    assert.equal(log.length, 106);
  });

  test("another host name is refused, and another authority", skip, async (t) => {
    const { port, log } = await serveTls(t);
    const file = folderOf(t, { "ca.pem": own.cert, "stranger.pem": stranger.cert });
    const code = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
try:
    context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30), server_hostname=sys.argv[3])
    print("trusted")
except ssl.SSLCertVerificationError as error:
    print(error.verify_message)
`;
    for (const [ca, name, said, why] of [
      ["ca.pem", "localhost", /^trusted\n$/, null],
      ["ca.pem", "127.0.0.1", /^trusted\n$/, null],
      ["ca.pem", "evil.example", /^Hostname mismatch/, /the client does not trust the certificate of this server$/],
      ["stranger.pem", "localhost", /self-signed certificate|signature failure|authority/, /the client does not trust/],
    ] as const) {
      log.length = 0;
      const { stdout } = await run(python.path, ["-c", code, String(port), file(ca), name]);
      assert.match(stdout, said);
      if (why !== null) await expectFailure(log, why);
    }
  });

  test("the handler sees the client's certificate, and no client without one", skip, async (t) => {
    const client = selfSignedCertificate(["robot.example"]);
    class Seeing extends BaseHTTPRequestHandler {
      do_GET(): void {
        this.sendText(this.clientCertificate?.fingerprint256 ?? "none");
      }
    }
    const { port, log } = await serveTls(t, { requestCert: true, ca: client.cert }, Seeing);
    const file = folderOf(t, {
      "ca.pem": own.cert,
      "client.pem": client.cert + client.key,
      "stranger.pem": stranger.cert + stranger.key,
    });
    const code = `
import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
if len(sys.argv) > 3:
    context.load_cert_chain(sys.argv[3])
conn = http.client.HTTPSConnection("localhost", int(sys.argv[1]), timeout=30, context=context)
try:
    conn.request("GET", "/")
    print(conn.getresponse().read().decode())
except (OSError, http.client.HTTPException) as error:
    print("refused")
`;
    const ask = async (...certificate: string[]): Promise<string> =>
      (await run(python.path, ["-c", code, String(port), file("ca.pem"), ...certificate])).stdout.trimEnd();
    assert.equal(await ask(file("client.pem")), client.fingerprint);
    assert.deepEqual(failuresIn(log), []);
    assert.equal(await ask(), "refused");
    await expectFailure(log, /the client has sent no certificate$/);
    assert.equal(await ask(file("stranger.pem")), "refused");
    await expectFailure(log, /the client's certificate is not trusted/);
  });
});

describe("curl", () => {
  const curl = requireProgram("curl");
  const skip = { skip: elsewhere || curl.skip };
  const QUIET = ["-q", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*"];

  test("versions, names, and big content", skip, async (t) => {
    const { port, log } = await serveTls(t);
    const file = folderOf(t, { "ca.pem": own.cert });
    const common = [...QUIET, "--cacert", file("ca.pem"), "--resolve", `localhost:${port}:127.0.0.1`];
    const url = `https://localhost:${port}/`;
    for (const [args, version] of [
      [["--tls-max", "1.2"], "TLSv1.2"],
      [["--tlsv1.3"], "TLSv1.3"],
    ] as const) {
      const { stdout, stderr } = await run(curl.path, [...common, "--verbose", ...args, url, url]);
      assert.equal(stdout, '{"scheme":"https","serverName":"localhost","client":null}'.repeat(2));
      assert.match(stderr, new RegExp(`SSL connection using ${version} `));
      assert.match(stderr, /server accepted http\/1\.1/);
      assert.match(stderr, /SSL certificate verify ok/);
      assert.equal(stderr.match(/Re-using existing connection/g)?.length, 1);
    }
    const upload = await run(
      curl.path,
      [...common, "-H", "Expect:", "--data-binary", "@-", url],
      "0".repeat(1_000_000),
    );
    assert.equal(upload.stdout, `1000000 ${hashOf(Buffer.alloc(1_000_000, "0"))}`);
    const download = await run(curl.path, [...common, "-w", "%{size_download}", "-o", file("big"), `${url}big`]);
    assert.equal(download.stdout, String(BIG));
    assert.deepEqual(failuresIn(log), []);
  });

  test("another authority, and another name, are refused", skip, async (t) => {
    const { port, log } = await serveTls(t);
    const file = folderOf(t, { "ca.pem": own.cert, "stranger.pem": stranger.cert });
    for (const [ca, host, status] of [
      ["stranger.pem", "localhost", 60],
      ["ca.pem", "evil.example", 60],
    ] as const) {
      const resolve = ["--resolve", `${host}:${port}:127.0.0.1`];
      const ran = await runAnyhow(curl.path, [...QUIET, "--cacert", file(ca), ...resolve, `https://${host}:${port}/`]);
      assert.equal(ran.status, status, ran.output);
    }
    assert.ok(
      log.every((line) => line.includes("the TLS handshake has failed")),
      log.join("\n"),
    );
    const plain = await runAnyhow(curl.path, [...QUIET, "--include", `http://127.0.0.1:${port}/`]);
    assert.match(plain.output, /^HTTP\/1\.1 400 Bad Request\r\n[^]*This port speaks HTTPS/);
  });
});

describe("Chromium", () => {
  const chromium = requireProgram("chromium");

  thoroughly(test)("loads a page and what is in it", { skip: elsewhere || chromium.skip }, async (t) => {
    class Page extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        this.sendResponse(200);
        const isScript = this.pathname === "/script.js";
        this.sendHeader("Content-Type", isScript ? "text/javascript" : "text/html");
        this.endHeaders();
        const asking = `fetch("/sum", { method: "POST", body: "x".repeat(500000) })`;
        const script = `${asking}.then((response) => response.text()).then((text) => (document.body.textContent = text));`;
        await this.wfile.write(isScript ? script : '<!doctype html><body><script src="/script.js"></script>');
      }
      async do_POST(): Promise<void> {
        const { length } = await this.rfile.read();
        this.sendText(`${this.scheme} ${this.serverName} ${length} bytes`);
      }
    }
    const { port, log } = await serveTls(t, {}, Page);
    const spki = new X509Certificate(own.cert).publicKey.export({ type: "spki", format: "der" });
    const trusted = createHash("sha256").update(spki).digest("base64");
    const other = createHash("sha256").update("another key").digest("base64");
    const load = async (key: string): Promise<string> => {
      const folder = folderOf(t);
      const args = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--no-proxy-server",
        "--virtual-time-budget=20000",
        `--user-data-dir=${folder("profile")}`,
        `--ignore-certificate-errors-spki-list=${key}`,
        "--dump-dom",
      ];
      const home = { HOME: folder("home") };
      const { output } = await runAnyhow(chromium.path, [...args, `https://localhost:${port}/`], "", home);
      return output;
    };
    assert.match(await load(trusted), /<body>https localhost 500000 bytes<\/body>/);
    assert.ok(
      log.some((line) => line.includes("POST /sum")),
      log.join("\n"),
    );
    assert.deepEqual(failuresIn(log), []);
    assert.doesNotMatch(await load(other), /500000/);
  });
});

describe("fetch", () => {
  const PROGRAM = `
    const [port, ca] = (globalThis.Deno?.args ?? process.argv.slice(2));
    const options = globalThis.Deno ? { client: Deno.createHttpClient({ caCerts: [ca] }) } : { tls: { ca } };
    const url = "https://localhost:" + port;
    const said = [];
    for (let i = 0; i < 20; i++) said.push(await (await fetch(url, options)).text());
    const { byteLength } = await (await fetch(url + "/big", options)).arrayBuffer();
    const uploaded = await (await fetch(url, { ...options, method: "POST", body: "0".repeat(1000000) })).text();
    let refused = "";
    try { await fetch(url.replace("localhost", "127.0.0.2"), options) } catch { refused = "refused" }
    try { await fetch(url) } catch { refused += " twice" }
    console.log(JSON.stringify([...new Set(said), byteLength, uploaded, refused]));
  `;

  for (const [name, args] of [
    ["deno", ["run", "--allow-all"]],
    ["bun", ["run"]],
  ] as const) {
    const file = executableOf(name);
    const missing = file === undefined && "it is not installed: npm run test:runtimes installs it";
    thoroughly(test)(`of ${name}`, { skip: elsewhere || missing }, async (t) => {
      const { port, log } = await serveTls(t);
      const path = folderOf(t, { "client.mjs": PROGRAM });
      const { stdout } = await run(file!, [...args, path("client.mjs"), String(port), own.cert]);
      assert.deepEqual(JSON.parse(stdout), [
        '{"scheme":"https","serverName":"localhost","client":null}',
        BIG,
        `1000000 ${hashOf(Buffer.alloc(1_000_000, "0"))}`,
        "refused twice",
      ]);
      assert.equal(log.filter((line) => line.includes('"GET / HTTP/1.1" 200')).length, 20);
    });
  }
});
