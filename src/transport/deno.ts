/**
 * TCP and Unix sockets on Deno's `net`, which is Node's: on Deno's own sockets, where each read and each write is a promise, a request
 * costs more (docs/RUNTIMES.md).
 */
import process from "node:process";
import { readDescriptors } from "./descriptor_limit.ts";
import type { Transport } from "./transport.ts";
import {
  type ClientHandle,
  type ListenHandle,
  nodeTransport,
  type NodeTransportOptions,
  type Ways,
  type WriteRequest,
} from "./node.ts";

interface DenoListenHandle extends ListenHandle {
  /** Its class is that of all handles. 0 is a socket. */
  readonly constructor: new (kind: 0) => ClientHandle;
  /** Makes a handle that of a connection. @returns 0, or an error's number */
  accept?(client: ClientHandle): number;
  /** Listens, and accepts again where accepting has stopped. @returns 0, or an error's number */
  listen?(backlog: number): number;
}

/** How often accepting is begun anew. In milliseconds. */
const REVIVAL = 250;

/** What `process.binding` has of streams. */
interface StreamBinding {
  /** Of the last write, among others, at [kLastWriteWasAsync]: whether there is a rest. */
  readonly streamBaseState?: Int32Array;
  readonly kLastWriteWasAsync?: number;
}

/** Deno lets the listener accept, and says in memory of its own whether a write has left a rest. */
const ofDeno: Ways = {
  accept(listening) {
    const handle = listening as DenoListenHandle;
    if (typeof handle.accept !== "function") return undefined;
    const client = new handle.constructor(0);
    return handle.accept(client) === 0 ? client : undefined;
  },

  /** When Deno cannot accept a connection, since no file descriptor is left, it never accepts another, and does not say so. */
  listening(listening, backlog) {
    const handle = listening as DenoListenHandle;
    const timer = setInterval(() => handle.listen?.(backlog), REVIVAL);
    timer.unref();
    return () => clearInterval(timer);
  },

  writeLike(request) {
    const { streamBaseState: state, kLastWriteWasAsync: at } = streamBinding();
    if (request === null || !(state instanceof Int32Array) || typeof at !== "number") return null;
    const Request = request.constructor as new () => WriteRequest;
    let spare = new Request();
    return (handle, bytes) => {
      const error = handle.writeBuffer!(spare, bytes);
      if (error !== 0 || state[at] === 0) return error;
      const busy = spare;
      spare = new Request();
      return busy;
    };
  },
};

function streamBinding(): StreamBinding {
  try {
    return (process as unknown as { binding(name: string): StreamBinding }).binding("stream_wrap");
  } catch {
    return {};
  }
}

declare const Deno: {
  readonly permissions: { querySync(permission: { name: string; path?: URL }): { readonly state: string } };
};

function mayRead(path: URL): boolean {
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

/** Deno lets /proc be read only where everything is allowed; anything less might ask the person at the terminal. */
function mayReadAll(): boolean {
  const names = ["read", "write", "net", "env", "sys", "run", "ffi"];
  return names.every((name) => Deno.permissions.querySync({ name }).state === "granted");
}

/**
 * Deno opens what it needs for signals when it first needs it, and panics where no file descriptor is left then. So it is told of a
 * signal that does nothing.
 */
function prepareForSignals(): void {
  const ignore = (): void => {};
  process.on("SIGURG", ignore);
  process.off("SIGURG", ignore);
}

/** Makes a transport on Deno's `net`. @param options as those of a transport on Node's */
export function denoTransport({ direct = true }: Pick<NodeTransportOptions, "direct"> = {}): Transport {
  const onNet = nodeTransport({ direct, ways: ofDeno });
  return {
    ...onNet,

    async listen(address, options, accept) {
      prepareForSignals();
      try {
        return { ...(await onNet.listen(address, options, accept)), look };
      } catch (error) {
        // What Deno calls an invalid argument: an address that is none of this machine's.
        if (Array.isArray(address) && (error as NodeJS.ErrnoException).code === "EINVAL")
          Object.assign(error as Error, { code: "EADDRNOTAVAIL" });
        throw error;
      }
    },

    descriptors() {
      if (mayReadAll()) return readDescriptors();
      // Where this library's files may be read, which threads need, it can be found out at least that none is left.
      const file = import.meta.url as string | undefined; // which some bundlers take away
      return file !== undefined && mayRead(new URL(file)) ? { limit: Infinity, open: 0 } : null;
    },
  };
}

/** Deno, while it has anything else to do, looks at its sockets only in every 61st turn of its event loop. */
const TURNS = 64;

async function look(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await new Promise((resolve) => setImmediate(resolve));
}

export const transport: Transport = denoTransport();
