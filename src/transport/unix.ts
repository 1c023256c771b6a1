/** The files of Unix sockets: removes those that a killed server has left behind. */
import { lstatSync, unlinkSync } from "node:fs";
import net from "node:net";
import type { Transport } from "./transport.ts";

/**
 * Adds to a runtime's `listen` that it removes the file of a dead Unix socket. Such a file is left behind by a server that was killed, and
 * keeps other servers from its path. A file that is no socket is not removed, nor is a socket on which a server still listens.
 * @param listen the runtime's way to listen
 */
export function removingDeadSockets(listen: Transport["listen"]): Transport["listen"] {
  return async (address, options, accept) => {
    try {
      return await listen(address, options, accept);
    } catch (error) {
      if (typeof address !== "string" || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      if (!isSocket(address) || (await accepts(address))) throw error;
      unlinkSync(address);
      return listen(address, options, accept);
    }
  };
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}

/** Whether a server listens on a Unix socket; true if that is not sure. */
function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}
