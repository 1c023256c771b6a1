/** Handshakes and keys by a clock that the test moves: what is given up, what is closed, what is said of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TlsListening } from "../../src/server/tls_listening.ts";
import type { Handshake, TlsListenOptions, TlsSettings } from "../../src/transport/transport.ts";

const HOUR = 60 * 60 * 1000;

class Owner {
  now = 1000;
  room = 100;
  failed = 0;
  readonly used: TlsSettings[] = [];
  readonly log: string[] = [];
  options!: TlsListenOptions;
  readonly listening = new TlsListening({
    admits: (handshakes) => handshakes < this.room,
    places: () => this.room,
    now: () => this.now,
    logError: (message, ...args) =>
      void this.log.push(args.reduce<string>((text, arg) => text.replace(/%[sd]/, String(arg)), message)),
    use: (settings) => void this.used.push(settings),
    handshakeFailed: () => void this.failed++,
  });

  async open(maxHandshakes: number): Promise<this> {
    const settings = (ticketKeys: Uint8Array): Promise<TlsSettings> =>
      Promise.resolve({
        identity: { cert: "", key: "" },
        serverNames: {},
        ca: undefined,
        clientCertificates: "none",
        alpnProtocols: ["http/1.1"],
        ticketKeys,
      });
    const tls = { handshakeTimeout: 10_000, maxHandshakes, asksForCertificates: false, settings };
    this.options = (await this.listening.open(tls)).tls!;
    return this;
  }

  /** @returns the handshake; null if it may not begin */
  begin(): Handshake | null {
    const handshake: Handshake = {
      clientAddress: ["a", 1],
      destroy: (why) => this.options.handshakeEnded(handshake, why),
    };
    return this.options.handshakeBegins(handshake) ? handshake : null;
  }
}

test("a handshake that stalls is given up for another one; one that does not goes on, and the other is closed", async () => {
  const owner = await new Owner().open(3);
  const first = [owner.begin(), owner.begin(), owner.begin()];
  assert.ok(!first.includes(null));
  owner.now += 999;
  assert.equal(owner.begin(), null);
  owner.now += 1;
  assert.notEqual(owner.begin(), null);
  assert.equal(owner.listening.handshakes, 3);
  assert.deepEqual(owner.log, [
    "too many TLS handshakes: with 3 under way, others are closed, first of all those that have taken more than 1000 ms",
  ]);
  owner.listening.tick(owner.now + 9000); // the other two of the first ones have reached their deadline
  assert.equal(owner.listening.handshakes, 1);
  assert.deepEqual(owner.log.slice(1), [
    "a: the TLS handshake has failed: it has taken more than 10000 ms",
    "TLS handshakes that were closed, since too many were under way: 2",
    "a: the TLS handshake has failed: it has taken more than 10000 ms",
  ]);
  assert.equal(owner.failed, 2);
});

test("where connections have taken all places, a handshake that stalls makes room as well", async () => {
  const owner = await new Owner().open(100);
  owner.room = 2;
  assert.notEqual(owner.begin(), null);
  assert.notEqual(owner.begin(), null);
  assert.equal(owner.begin(), null);
  owner.now += 1000;
  assert.notEqual(owner.begin(), null);
  owner.room = 0;
  assert.equal(owner.begin(), null);
});

test("when the server stops, those that go on have the grace, and that is said", async () => {
  const owner = await new Owner().open(100);
  owner.begin();
  owner.now += 5000;
  owner.listening.stop(200);
  owner.listening.tick(owner.now + 199);
  assert.equal(owner.listening.handshakes, 1);
  owner.listening.tick(owner.now + 200);
  assert.deepEqual(owner.log, ["a: the TLS handshake has failed: the server stops"]);
});

test("the keys of session tickets change once a day; a listener, which gets them, does not change them", async () => {
  const owner = await new Owner().open(100);
  const { ticketKeys } = owner.options.settings;
  assert.equal(ticketKeys.length, 48);
  assert.ok(ticketKeys.some((byte) => byte !== 0));
  for (const [hours, changes] of [
    [23, 0],
    [1, 1],
    [23, 1],
    [1, 2],
  ]) {
    owner.now += hours * HOUR;
    owner.listening.tick(owner.now);
    assert.equal(owner.used.length, changes, `${hours} hours more`);
  }
  assert.notDeepEqual(owner.used[0].ticketKeys, ticketKeys);
  assert.equal(owner.listening.settings, owner.used[1]);
  const listener = new Owner();
  await listener.listening.set((ticketKeys) => Promise.resolve({ ...owner.used[1], ticketKeys })); // by the program, before it serves
  listener.listening.settings = owner.used[1];
  await listener.open(100);
  listener.now += 100 * HOUR;
  listener.listening.tick(listener.now);
  assert.equal(listener.used.length, 0);
});
