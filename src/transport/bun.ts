/** TCP and Unix sockets on Bun's own, `Bun.listen`. */
import { lookup } from "node:dns/promises";
import type {
  ListenAddress,
  Listener,
  ListenOptions,
  Socket,
  SocketHandler,
  TlsSettings,
  Transport,
} from "./transport.ts";
import { BunConnection, bunEvents, bunListen, type BunSocket } from "./bun_socket.ts";
import { BunTls } from "./bun_tls.ts";
import { nodeTransport } from "./node.ts";
import { readDescriptors } from "./descriptor_limit.ts";
import { peerOf } from "./peer.ts";
import { removingDeadSockets } from "./unix.ts";

/** TLS on Bun's `node:tls`, for what Bun's own sockets cannot do. */
const onNodeTls = nodeTransport({ direct: false });

export const transport: Transport = {
  listen: removingDeadSockets(listen),

  endOfTurn(task) {
    setImmediate(task);
  },

  descriptors: readDescriptors,

  warning() {
    if (!process.execArgv.includes("--hot")) return null;
    return (
      "bun --hot does not replace the handlers of a running server: it evaluates a changed program again in this process, where this server" +
      " goes on with the old handlers. A top-level await for the server keeps it even from that. Run bun --watch instead, which restarts" +
      " the program"
    );
  },
};

/** Whether Bun's own sockets can do what is asked for. */
function hasBunTls({ serverNames, clientCertificates }: TlsSettings): boolean {
  return Object.keys(serverNames).length === 0 && clientCertificates === "none";
}

async function listen(
  address: ListenAddress,
  options: ListenOptions,
  accept: (socket: Socket) => SocketHandler,
): Promise<Listener> {
  const { reusePort = false, tls } = options;
  if (tls !== undefined && !hasBunTls(tls.settings)) return onNodeTls.listen(address, options, accept);
  const secured = tls && new BunTls(tls, accept);
  const common = {
    ...(secured === undefined ? {} : { tls: secured.options }),
    socket: {
      ...bunEvents,
      ...(secured === undefined ? { open: (socket: BunSocket) => opened(socket, accept) } : secured.events),
    },
  };
  const rest = { look, ...(secured === undefined ? {} : { setTls: (settings: TlsSettings) => secured.set(settings) }) };
  if (typeof address === "string") {
    const listener = bunListen({ ...common, unix: address });
    return { ...rest, address, close: () => listener.stop() };
  }
  if ("fd" in address) {
    const listener = bunListen({ ...common, fd: address.fd });
    const bound: { address?: string; port?: number } = {};
    listener.getsockname?.(bound);
    const real = bound.address === undefined ? "" : ([bound.address, bound.port ?? 0] as const);
    return { ...rest, address: real, close: () => listener.stop() };
  }
  const [name, port] = address;
  const hostname = name === "" ? "::" : (await lookup(name)).address;
  const listener = bunListen({ ...common, hostname, port, reusePort });
  return { ...rest, address: [hostname, listener.port], close: () => listener.stop() };
}

function opened(socket: BunSocket, accept: (socket: Socket) => SocketHandler): void {
  const clientAddress = peerOf(socket.remoteAddress, socket.remotePort);
  const connection = new BunConnection(socket, { clientAddress, alpn: null, secure: null });
  socket.data = connection;
  connection.handler = accept(connection);
}

/** Bun accepts all waiting connections in each turn of its event loop. The present turn may be past that, so this waits two turns. */
function look(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
