/** The files of Unix sockets. */
import { lstatSync, unlinkSync } from "node:fs";
import net from "node:net";
import type { Transport } from "./transport.ts";

/**
 * The file of a Unix socket outlives a server that was killed: when nobody listens behind it, it is litter, and does not keep another
 * server from its path. Nobody listens behind any other file either, which is not ours to remove.
 * @param listen how a runtime listens
 */
export function overLitter(listen: Transport["listen"]): Transport["listen"] {
  return async (address, options, accept) => {
    try {
      return await listen(address, options, accept);
    } catch (error) {
      if (typeof address !== "string" || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      if (!isSocket(address) || (await responses(address))) throw error;
      unlinkSync(address);
      return listen(address, options, accept);
    }
  };
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}

function responses(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}
