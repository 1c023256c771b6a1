/** Modes whose server runs in this process. */
import type { HTTPServerOptions } from "plinth";
import { HTTPServer, MemoryTransport } from "plinth";
import { type Channel, Http1Client } from "./http1_client.ts";
import { MemoryChannel } from "./memory_channel.ts";
import type { Mode, Served } from "./mode.ts";
import { TcpChannel } from "./tcp_channel.ts";

const HTTP1 = { version: "HTTP/1.1", has: { reasons: true, nameCase: true, halfClose: true } } as const;

type Listening = Pick<HTTPServerOptions, "transport"> & {
  readonly address: readonly [host: string, port: number];
  /** Opens a connection to the server, which listens at that address. */
  connect(address: readonly [host: string, port: number]): Promise<Channel>;
};

/** @param listen tells how a new server is reached */
function http1(name: string, listen: () => Listening): Mode {
  return {
    name,
    ...HTTP1,
    async serve(t, handler, options = {}) {
      const { address, connect, ...rest } = listen();
      const lines: string[] = [];
      const httpd = new HTTPServer(address, handler, { ...options, ...rest, log: (line) => lines.push(line) });
      t.after(() => httpd.serverClose());
      const done = httpd.serveForever();
      await httpd.serverActivate();
      const served: Served = {
        address: httpd.serverAddress,
        done,
        async client() {
          const client = new Http1Client(await connect(httpd.serverAddress));
          t.after(() => client.dispose());
          return client;
        },
        log: () => lines,
        shutdown: () => httpd.shutdown(),
        close: () => httpd.serverClose(),
      };
      return served;
    },
  };
}

/** HTTP/1.1 over TCP, by whatever transport the runtime has, or another. */
export function overTcp(name: string, transport?: NonNullable<HTTPServerOptions["transport"]>): Mode {
  return http1(name, () => ({
    address: ["127.0.0.1", 0],
    connect: ([host, port]) => TcpChannel.connect(host, port),
    ...(transport === undefined ? {} : { transport }),
  }));
}

/** HTTP/1.1 in memory. */
export function inMemory(name: string): Mode {
  return http1(name, () => {
    const transport = new MemoryTransport();
    let count = 0;
    return {
      address: ["memory", 80],
      connect: async () => new MemoryChannel(transport, ["memory", ++count]),
      transport,
    };
  });
}
