/** Modes whose server runs in this process; its handlers may run in threads. */
import { after, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import type { HTTPServerOptions, RequestHandlerClass, Router, ThreadingOptions } from "plinth";
import {
  BaseHTTPRequestHandler,
  HTTPServer,
  HTTPSServer,
  MemoryTransport,
  selfSignedCertificate,
  ThreadingHTTPServer,
  ThreadingHTTPSServer,
} from "plinth";
import { programFile } from "../support/places.ts";
import { thorough } from "../support/thorough.ts";
import { type Channel, Http1Client } from "./http1_client.ts";
import { MemoryChannel } from "./memory_channel.ts";
import type { Mode, Served } from "./mode.ts";
import { runtime } from "../support/runtime.ts";
import { DenoTlsChannel, TcpChannel } from "./tcp_channel.ts";

const HTTP1 = { version: "HTTP/1.1", has: { reasons: true, nameCase: true, halfClose: true, earlyHandlers: true } };

type Listening = Pick<HTTPServerOptions, "transport"> & {
  readonly address: readonly [host: string, port: number];
  /** Opens a connection to the server, which listens at that address. */
  connect(address: readonly [host: string, port: number]): Promise<Channel>;
};

type Address = Listening["address"];
type MakeServer = (address: Address, handler: RequestHandlerClass | Router, options: HTTPServerOptions) => HTTPServer;

const onTheEventLoop: MakeServer = (address, handler, options) => new HTTPServer(address, handler, options);

/** @param listen tells how a new server is reached */
function http1(name: string, listen: () => Listening, makeServer = onTheEventLoop): Mode {
  return {
    name,
    ...HTTP1,
    async serve(t, handler, options = {}) {
      const { address, connect, ...rest } = listen();
      const lines: string[] = [];
      const httpd = makeServer(address, handler, { ...options, ...rest, log: (line) => lines.push(line) });
      t.after(() => httpd.serverClose());
      const done = httpd.serveForever();
      await httpd.serverActivate();
      const served: Served = {
        address: httpd.serverAddress,
        done,
        client: () => clientOf(t, connect(httpd.serverAddress)),
        log: () => lines,
        shutdown: () => httpd.shutdown(),
        close: () => httpd.serverClose(),
      };
      return served;
    },
  };
}

/** @param serverGoes whether the server ends the connection when the test ends; else the client does */
async function clientOf(t: TestContext, channel: Promise<Channel>, serverGoes = true): Promise<Http1Client> {
  const client = new Http1Client(await channel);
  t.after(async () => {
    if (!serverGoes) await client.end().catch(() => {});
    await client.dispose();
  });
  return client;
}

/** HTTP/1.1 over TCP, by whatever transport the runtime has, or another. */
export function overTcp(name: string, transport?: NonNullable<HTTPServerOptions["transport"]>): Mode {
  return http1(name, () => tcp(transport));
}

/** A certificate for the servers of these modes. */
const CERTIFICATE = selfSignedCertificate(["localhost", "127.0.0.1"]);

const tls: Listening = {
  address: ["127.0.0.1", 0],
  connect: ([host, port]) =>
    (runtime === "deno" ? DenoTlsChannel : TcpChannel).connectSecurely(host, port, CERTIFICATE.cert),
};

/** HTTP/1.1 over TLS, by whatever transport the runtime has, or another. */
export function overTls(name: string, transport?: NonNullable<HTTPServerOptions["transport"]>): Mode {
  const { cert, key } = CERTIFICATE;
  return http1(
    name,
    () => (transport === undefined ? tls : { ...tls, transport }),
    (address, handler, options) => new HTTPSServer(address, handler, { ...options, cert, key }),
  );
}

/** The same, the handlers in threads. */
export function overTlsInThreads(name: string, options: ThreadingOptions): Mode {
  const { cert, key } = CERTIFICATE;
  return inThreads(
    name,
    options,
    tls,
    (address, handler, others) => new ThreadingHTTPSServer(address, handler, { ...others, cert, key }),
  );
}

function tcp(transport?: HTTPServerOptions["transport"]): Listening {
  return {
    address: ["127.0.0.1", 0],
    connect: ([host, port]) => TcpChannel.connect(host, port),
    ...(transport === undefined ? {} : { transport }),
  };
}

/** HTTP/1.1 over TCP, the handlers in threads. A thread is given to a request when its content is here, up to `threadBuffer` of it. */
export function inThreads(
  name: string,
  options: ThreadingOptions,
  listening: Listening = tcp(),
  make: MakeServer = (address, handler, all) => new ThreadingHTTPServer(address, handler, all),
): Mode {
  const makeServer: MakeServer = (address, handler, others) => {
    for (const Handler of typeof handler === "function" ? [handler] : handler.handlers)
      if (Handler !== BaseHTTPRequestHandler) Object.defineProperty(Handler, "module", { value: HANDLERS });
    return make(address, handler, { ...others, ...options });
  };
  const mode = {
    ...http1(name, () => listening, makeServer),
    has: { ...HTTP1.has, earlyHandlers: options.threadBuffer === 0 },
  };
  // Most of the time that a case takes is the start of its threads.
  return thorough ? mode : { ...mode, share: sharing(listening, makeServer) };
}

function sharing({ address, connect }: Listening, makeServer: MakeServer): NonNullable<Mode["share"]> {
  const servers = new Map<RequestHandlerClass | Router, HTTPServer>();
  after(() => {
    for (const httpd of servers.values()) httpd.serverClose();
  });
  return async (t, handler) => {
    let httpd = servers.get(handler);
    if (httpd === undefined) {
      httpd = makeServer(address, handler, { log: "none" });
      servers.set(handler, httpd);
      void httpd.serveForever();
    }
    await httpd.serverActivate();
    const { serverAddress } = httpd;
    return { client: () => clientOf(t, connect(serverAddress), false) };
  };
}

/** What threads import, since the tests are no program that could be imported once more. */
const HANDLERS = pathToFileURL(programFile("test/behaviour/handlers")).href;

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
