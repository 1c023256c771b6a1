/**
 * TCP and Unix sockets on Deno's implementation of Node's `net`. With Deno's own sockets, each read and each write is a promise, and a
 * request costs more (docs/RUNTIMES.md).
 */
import process from "node:process";
import { readDescriptors } from "./descriptor_limit.ts";
import type { Transport } from "./transport.ts";
import {
  type ClientHandle,
  type ListenHandle,
  nodeTransport,
  type NodeTransportOptions,
  type NetInternals,
  type WriteRequest,
} from "./node.ts";

interface DenoListenHandle extends ListenHandle {
  /** The class of all handles. The kind 0 is a socket. */
  readonly constructor: new (kind: 0) => ClientHandle;
  /** Accepts a connection into a handle. @returns 0, or an error's number */
  accept?(client: ClientHandle): number;
  /** Listens, and begins to accept again if that has stopped. @returns 0, or an error's number */
  listen?(backlog: number): number;
}

/** How often the listener is told to accept again. In milliseconds. */
const RELISTEN_INTERVAL = 250;

/** The part of `process.binding("stream_wrap")` that this file uses. */
interface StreamBinding {
  /** At [kLastWriteWasAsync]: whether the kernel has not taken the last write whole. */
  readonly streamBaseState?: Int32Array;
  readonly kLastWriteWasAsync?: number;
}

/** On Deno, the listener accepts into a new handle, and `streamBaseState` says whether the kernel has taken a write whole. */
const denoInternals: NetInternals = {
  accept(listening) {
    const handle = listening as DenoListenHandle;
    if (typeof handle.accept !== "function") return undefined;
    const client = new handle.constructor(0);
    return handle.accept(client) === 0 ? client : undefined;
  },

  /** If no file descriptor is left, Deno stops accepting without an error. So this makes it accept again every 250 ms. */
  listening(listening, backlog) {
    const handle = listening as DenoListenHandle | null;
    const timer = setInterval(() => handle?.listen?.(backlog), RELISTEN_INTERVAL);
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

/** Whether all permissions are granted: Deno needs that to read /proc, and with fewer, it may ask the person at the terminal. */
function mayReadAll(): boolean {
  const names = ["read", "write", "net", "env", "sys", "run", "ffi"];
  return names.every((name) => Deno.permissions.querySync({ name }).state === "granted");
}

/**
 * Makes Deno open its file descriptors for signals now, by a listener for a signal that does nothing. Otherwise Deno opens them for the
 * first signal listener of the program, and panics if no descriptor is left then.
 */
function prepareForSignals(): void {
  const ignore = (): void => {};
  process.on("SIGURG", ignore);
  process.off("SIGURG", ignore);
}

/** Makes a transport on Deno's `net`. @param options the option `direct` of `nodeTransport` */
export function denoTransport({ direct = true }: Pick<NodeTransportOptions, "direct"> = {}): Transport {
  const onNet = nodeTransport({ direct, internals: denoInternals });
  return {
    ...onNet,

    async listen(address, options, accept) {
      prepareForSignals();
      try {
        return { ...(await onNet.listen(address, options, accept)), look };
      } catch (error) {
        // For an address that is not one of this machine's, Deno reports an invalid argument.
        if (Array.isArray(address) && (error as NodeJS.ErrnoException).code === "EINVAL")
          Object.assign(error as Error, { code: "EADDRNOTAVAIL" });
        throw error;
      }
    },

    descriptors() {
      if (mayReadAll()) return readDescriptors();
      // If this library's files may be read, DescriptorReserve can at least find out that no descriptor is left.
      const file = import.meta.url as string | undefined; // undefined with some bundlers
      return file !== undefined && mayRead(new URL(file)) ? { limit: Infinity, open: 0 } : null;
    },
  };
}

/** While Deno has other work, it looks at its sockets only in every 61st turn of its event loop. */
const LOOK_TURNS = 64;

async function look(): Promise<void> {
  for (let i = 0; i < LOOK_TURNS; i++) await new Promise((resolve) => setImmediate(resolve));
}

export const transport: Transport = denoTransport();
