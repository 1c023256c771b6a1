/** Bytes inside this process. */
import type { MemoryTransport } from "plinth";
import type { Channel } from "./http1_client.ts";
import { CutOff } from "./mode.ts";

export class MemoryChannel implements Channel {
  readonly address: readonly [host: string, port: number];
  readonly #client: ReturnType<MemoryTransport["connect"]>;

  constructor(transport: MemoryTransport, address: readonly [host: string, port: number]) {
    this.address = address;
    this.#client = transport.connect();
  }

  async send(bytes: Uint8Array): Promise<void> {
    if (this.#client.closed) throw new CutOff("the connection has gone");
    await this.#client.send(bytes);
  }

  async receive(): Promise<Uint8Array | null> {
    const client = this.#client;
    for (;;) {
      const pieces = client.takeBytes();
      if (pieces.length > 0) return Buffer.concat(pieces);
      if (client.ended) return null;
      if (client.closed) throw new CutOff("the connection broke");
      await client.change();
    }
  }

  end(): Promise<void> {
    return this.#client.end();
  }

  destroy(): void {
    this.#client.destroy();
  }
}
