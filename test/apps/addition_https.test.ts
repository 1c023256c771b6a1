/** The addition server over HTTPS: its options, its certificates, and the redirect from plain HTTP. How it responds is in addition.test.ts. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import tls from "node:tls";
import { X509Certificate } from "node:crypto";
import { selfSignedCertificate } from "plinth";
import { connect, request, until } from "../server/support.ts";
import { sendSignal } from "../support/system.ts";
import { thorough } from "../support/thorough.ts";
import { encrypted, newName } from "../server/https_support.ts";
import { Program, start } from "./addition/program.ts";

const folder = mkdtempSync(path.join(tmpdir(), "plinth-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const place = path.join(folder, name);
  writeFileSync(place, text);
  return place;
}

/** The fingerprint of the certificate that a program presents. */
async function presented(program: Program): Promise<string> {
  const { port } = program.url;
  const servername = newName();
  const socket = tls.connect({ host: "127.0.0.1", port: Number(port), servername, rejectUnauthorized: false });
  try {
    await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}

test("--tls-self-signed: a certificate for trying, whose fingerprint is printed, and which curl is told to trust", async (t) => {
  const program = await start(t, "--port", "0", "--tls-self-signed", "--log", "none");
  assert.equal(program.url.protocol, "https:");
  const fingerprint = await presented(program);
  assert.ok(program.stdout.includes(`\n  ${fingerprint}\n`), program.stdout);
  const certificate = new X509Certificate(readFileSync(program.certificateFile));
  assert.equal(certificate.fingerprint256, fingerprint);
  for (const name of [/DNS:localhost/, /IP Address:127\.0\.0\.1/, /IP Address:(?:0:0:0:0:0:0:0|:):1/])
    assert.match(certificate.subjectAltName ?? "", name);
  const peer = await program.connect(t); // trusts that file, and nothing else
  assert.equal((await peer.ask(request("RICKROLL"))).status, 200);
  peer.destroy();
  sendSignal(program.process, "SIGTERM");
  assert.equal((await program.ended).status, 0);
  assert.equal(existsSync(program.certificateFile), false);
});

test("--tls-cert: from files, read again at SIGHUP; a bad certificate leaves the one that is there", async (t) => {
  const [first, second] = [selfSignedCertificate(["localhost"]), selfSignedCertificate(["localhost"])];
  const [cert, key] = [file("cert.pem", first.cert), file("key.pem", first.key)];
  const program = await start(t, "--port", "0", "--tls-cert", cert, "--tls-key", key);
  assert.doesNotMatch(program.stdout, /self-signed|CURL_CA_BUNDLE/);
  assert.equal(await presented(program), first.fingerprint);
  const steps = [
    [
      second.cert,
      first.key,
      /the certificate stays as it was: the private key in .* does not belong to the certificate/,
    ],
    ["nothing", first.key, /the certificate stays as it was: .* has no certificate in PEM form/],
    [second.cert, second.key, /the certificate was read again/],
  ] as const;
  for (const [newCert, newKey, said] of steps) {
    file("cert.pem", newCert);
    file("key.pem", newKey);
    const lines = program.stderr.length;
    sendSignal(program.process, "SIGHUP");
    await until(() => said.test(program.stderr.slice(lines)), "a line in the log");
    assert.equal(await presented(program), (newKey === second.key ? second : first).fingerprint);
  }
});

test("--tls-password-file: the first line of the file is the password of the key", async (t) => {
  const { cert } = selfSignedCertificate(["localhost"]);
  const missing = new Program(["--port", "0", "--tls-cert", file("c", cert), "--tls-password-file", `${folder}/none`]);
  assert.deepEqual(await missing.ended, { status: 2, signal: null });
  assert.match(missing.stderr, /^plinth-addition: --tls-password-file: [^\n]*none[^\n]*\n$/);
  const [one, renewed] = [selfSignedCertificate(["localhost"]), selfSignedCertificate(["localhost"])];
  const files = ["--tls-cert", file("both.pem", one.cert + encrypted(one.key, "open sesame")), "--tls-password-file"];
  const program = await start(t, "--port", "0", ...files, file("password", "open sesame\nnot this line\n"));
  assert.equal(await presented(program), one.fingerprint);
  // A renewed key may come with another password.
  file("both.pem", renewed.cert + encrypted(renewed.key, "shut sesame"));
  file("password", "shut sesame");
  sendSignal(program.process, "SIGHUP");
  await until(() => program.stderr.includes("the certificate was read again"), "a line in the log");
  assert.equal(await presented(program), renewed.fingerprint);
  rmSync(path.join(folder, "password"));
  sendSignal(program.process, "SIGHUP");
  await until(() => /the certificate stays as it was: --tls-password-file: /.test(program.stderr), "another line");
});

test("a terminal that is closed ends a program whose certificate is for trying, and its file goes", async (t) => {
  const program = await start(t, "--port", "0", "--tls-self-signed");
  const trusted = program.certificateFile;
  assert.equal(existsSync(trusted), true);
  sendSignal(program.process, "SIGHUP");
  assert.deepEqual(await program.ended, { status: 0, signal: null });
  assert.equal(existsSync(trusted), false);
});

test("where no file can be written, it serves, and says how curl talks to it", async (t) => {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = `${folder}/no folder`;
  const started = start(t, "--port", "0", "--tls-self-signed");
  if (before === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = before;
  const program = await started;
  assert.match(program.stdout, /curl talks to it with the option --insecure: no file could be written/);
  assert.match(await presented(program), /^[0-9A-F:]{95}$/);
});

test("--tls-redirect: plain HTTP gets a 308 to the same host and path, whatever the method", async (t) => {
  const program = await start(t, "--port", "0", "--tls-self-signed", "--tls-redirect", "0");
  const [, from] = /^(http:\S+) redirects there\.$/m.exec(program.stdout)!;
  const { port } = program.url;
  const cases = [
    [request("GET", "/val_a/3/val_b/4/?x=//y"), `https://a:${port}/val_a/3/val_b/4/?x=//y`],
    [request("RICKROLL", "/"), `https://a:${port}/`],
    [request("GET", "//elsewhere.example/"), `https://a:${port}//elsewhere.example/`],
    ["GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", `https://[::1]:${port}/`],
    ["GET http://b.example:80?q=1 HTTP/1.1\r\nHost: a\r\n\r\n", `https://b.example:${port}/?q=1`],
    ["OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", `https://a:${port}/`],
    ["POST /x HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello", `https://a:${port}/x`],
    ["POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000000\r\n\r\nhello", `https://a:${port}/x`],
  ];
  for (const [sent, location] of cases) {
    const peer = await connect(t, ["127.0.0.1", Number(new URL(from).port)]);
    const response = await peer.ask(sent);
    assert.deepEqual([response.status, response.get("location"), response.body], [308, location, ""]);
    assert.equal(response.get("strict-transport-security"), null);
  }
  const old = await connect(t, ["127.0.0.1", Number(new URL(from).port)]);
  assert.equal((await old.ask("GET / HTTP/1.0\r\n\r\n")).status, 400);
  sendSignal(program.process, "SIGTERM");
  assert.equal((await program.ended).status, 0);
});

test("--tls-hsts: each response says for how long HTTPS only is to be used, errors too", async (t) => {
  const program = await start(t, "--port", "0", "--tls-self-signed", "--tls-hsts", "31536000");
  const peer = await program.connect(t);
  for (const sent of [request("RICKROLL"), request("BREW"), "nonsense\r\n\r\n"])
    assert.equal((await peer.ask(sent)).get("strict-transport-security"), "max-age=31536000", sent);
});

test("what it cannot do it says in one line", async () => {
  const { cert, key } = selfSignedCertificate(["localhost"]);
  const cases = [
    [["--tls-key", "k"], /need a certificate: --tls-cert/],
    [["--tls-redirect", "80"], /need a certificate/],
    [["--tls-hsts", "60"], /need a certificate/],
    [["--tls-self-signed", "--tls-cert", "c"], /not both/],
    [["--tls-self-signed=yes"], /--tls-self-signed takes no value/],
    [["--tls-self-signed", "--tls-redirect", "http"], /--tls-redirect takes a number/],
    [["--tls-self-signed", "--tls-hsts", "a year"], /--tls-hsts takes a number of seconds/],
    [["--tls-cert", `${folder}/absent.pem`], /cannot read the certificate .*absent\.pem: there is no such file/],
    [["--tls-cert", file("alone.pem", cert)], /alone\.pem has no private key in PEM form/],
    [["--tls-cert", file("key-only.pem", key)], /key-only\.pem has no certificate in PEM form/],
  ] as const;
  // Each is a program of its own: the short run has a third of them.
  for (const [args, said] of cases.filter((_, i) => thorough || i % 3 === 1)) {
    const program = new Program(["--port", "0", ...args]);
    assert.deepEqual(await program.ended, { status: 2, signal: null }, args.join(" "));
    assert.match(program.stderr, /^plinth-addition: [^\n]+\n$/, args.join(" "));
    assert.match(program.stderr, said);
  }
});
