/** The peers of the benchmark: how they are named and started, and that those that need no package of bench respond. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

interface Peer {
  readonly name: string;
  readonly variant: string;
  readonly runtime: string;
  readonly label: string;
  readonly command: string | undefined;
  readonly missing: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly serves: ReadonlySet<string>;
}

const { peers, overTls, versionLabel } = await importBench<{
  peers: readonly Peer[];
  overTls(peer: Peer): Peer & { readonly tls: true };
  versionLabel(peer: Peer): string;
}>("lib/peers.mjs");

const { certificate } = await importBench<{
  certificate(): Promise<{ certFile: string; keyFile: string; cert: string }>;
}>("lib/certificate.mjs");
const { checkResponses } = await importBench<{
  checkResponses(server: { port: number; ca?: string }, exchanges: readonly object[]): Promise<void>;
}>("lib/check.mjs");
const { addition } = await importBench<{ addition(): object }>("lib/requests.mjs");

test("no two peers are the same in name, variant and runtime, nor in what tables call them", () => {
  const names = peers.map(({ name, variant, runtime }) => `${name}-${variant} ${runtime}`);
  assert.deepEqual([...new Set(names)], names);
  const titles = peers.map((peer) => `${peer.label}, ${peer.runtime}`);
  assert.deepEqual([...new Set(titles)], titles);
  assert.equal(peers[0].name, "plinth");
});

test("a name with a variant cannot be taken for another peer's name", () => {
  const names = new Set(peers.map(({ name }) => name));
  for (const { name, variant } of peers) if (variant !== "") assert.ok(!names.has(`${name}-${variant}`), name);
});

test("every peer has its program, adds, and runs as in production", () => {
  for (const { name, args, env, serves } of peers) {
    const program = args.at(-1);
    if (program !== undefined) assert.ok(existsSync(program), program);
    assert.ok(serves.has("add") && serves.has("path"), name);
    assert.equal(env["NODE_ENV"], "production");
  }
});

test("over TLS a peer is the same, but for what it is told and what tables call it", () => {
  const those = peers.filter(({ serves }) => serves.has("tls"));
  const names = new Set(those.map(({ name }) => name));
  for (const name of ["plinth", "node-http", "fastify", "uws", "bun", "deno"]) assert.ok(names.has(name), name);
  for (const peer of those) {
    const { tls, name, variant, label, args, command } = overTls(peer);
    assert.deepEqual([tls, name, variant, args, command], [true, peer.name, peer.variant, peer.args, peer.command]);
    assert.equal(label, peer.label.replace("node:http", "node:https"));
  }
});

test("a peer that is not there says why", () => {
  for (const peer of peers) {
    // Those would be compiled.
    if (peer.runtime === "go" || peer.runtime === "c") continue;
    if (peer.command === undefined) assert.notEqual(peer.missing, "", peer.name);
    else assert.ok(existsSync(peer.command), peer.command);
  }
});

test("the Node that runs the benchmark is labelled by its real version", () => {
  const peer = peers.find(({ runtime }) => runtime === "node20")!;
  assert.equal(peer.command, process.execPath);
  assert.equal(versionLabel(peer), `Node ${process.versions.node}`);
  assert.match(versionLabel(peers.find(({ runtime }) => runtime === "node26")!), /^Node 26/);
});

const CONTENT = "x".repeat(100_000);

/** Starts a peer's program, asks it, and ends its input. */
async function withProgram(peer: Peer, ask: (url: string) => Promise<void>, env: object = {}): Promise<void> {
  const child = spawn(peer.command!, peer.args, {
    env: { ...process.env, ...peer.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    assert.match(line, /^listens \d+$/);
    await ask(`http://127.0.0.1:${line.slice("listens ".length)}`);
    child.stdin.end();
    const [status] = (await once(child, "exit", { signal: AbortSignal.timeout(30_000) })) as [number | null];
    assert.equal(status, 0, "it ends when its input ends");
  } finally {
    child.kill("SIGKILL");
  }
}

const asks: Record<string, (url: string) => Promise<void>> = {
  async add(url) {
    const body = '{"val_a":3,"val_b":4}';
    const response = await fetch(`${url}/`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    assert.match(response.headers.get("Content-Type") ?? "", /^application\/json/);
    assert.deepEqual([response.status, await response.json()], [200, { sum: 7 }]);
  },
  async path(url) {
    const response = await fetch(`${url}/val_a/3/val_b/4`);
    assert.deepEqual([response.status, await response.json()], [200, { sum: 7 }]);
  },
  async upload(url) {
    const response = await fetch(`${url}/upload`, { method: "POST", body: CONTENT });
    assert.deepEqual([response.status, await response.json()], [200, { length: CONTENT.length }]);
  },
  async download(url) {
    const response = await fetch(`${url}/download`);
    assert.equal(response.headers.get("Content-Length"), "104857600");
    let length = 0;
    for await (const chunk of response.body!) length += (chunk as Uint8Array).length;
    assert.equal(length, 104_857_600);
  },
};

const own = peers.filter(({ name, runtime }) => runtime === "node20" && /^(plinth|node-http)$/.test(name));
for (const peer of own) {
  test(`${peer.label} responds with what it says that it serves`, async () => {
    await withProgram(peer, async (url) => {
      for (const what of peer.serves) await asks[what]?.(url);
    });
  });

  test(`${peer.label} adds over TLS`, async () => {
    const { certFile, keyFile, cert } = await certificate();
    await withProgram(
      peer,
      async (url) => checkResponses({ port: Number(new URL(url).port), ca: cert }, [addition()]),
      { TLS_CERT: certFile, TLS_KEY: keyFile },
    );
  });
}
