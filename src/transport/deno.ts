/**
 * TCP and Unix sockets on Deno's `net`, which is Node's: on Deno's own sockets, where each read and each write is a promise, a request
 * costs more (docs/RUNTIMES.md).
 */
import process from "node:process";
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
}

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

/** Makes a transport on Deno's `net`. @param options as those of a transport on Node's */
export function denoTransport({ direct = true }: Pick<NodeTransportOptions, "direct"> = {}): Transport {
  const onNet = nodeTransport({ direct, ways: ofDeno });
  return {
    ...onNet,

    async listen(address, options, accept) {
      try {
        return await onNet.listen(address, options, accept);
      } catch (error) {
        // What Deno calls an invalid argument: an address that is none of this machine's.
        if (typeof address !== "string" && (error as NodeJS.ErrnoException).code === "EINVAL")
          Object.assign(error as Error, { code: "EADDRNOTAVAIL" });
        throw error;
      }
    },
  };
}

export const transport: Transport = denoTransport();
