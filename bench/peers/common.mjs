// What the peers' programs have in common. Made only of what every runtime has.
//
//     TLS_CERT, TLS_KEY  the PEM files of a certificate and its key: the program speaks TLS; plain HTTP when left out
import fs from "node:fs";
import process from "node:process";
export { listensOn } from "../servers/work.mjs";

const { TLS_CERT, TLS_KEY } = process.env;

/** The files of the certificate and its key; undefined where TLS is not spoken. */
export const tlsFiles = TLS_CERT === undefined ? undefined : { cert: TLS_CERT, key: TLS_KEY };

/** What they hold, as PEM. */
export const tls = tlsFiles && {
  cert: fs.readFileSync(tlsFiles.cert, "utf8"),
  key: fs.readFileSync(tlsFiles.key, "utf8"),
};

/** Bytes of the large response. */
export const DOWNLOAD = 100 * 1024 * 1024;

/** It is written in pieces of this, which every program makes once. */
export const PIECE = new Uint8Array(64 * 1024).fill(0x70);

/** The large response for those that take a web stream, which asks for a piece when there is room for it. */
export function pieces() {
  let left = DOWNLOAD;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(PIECE);
      left -= PIECE.length;
      if (left === 0) controller.close();
    },
  });
}

/** Reads a web stream of any length without keeping it. */
export async function lengthOf(stream) {
  let length = 0;
  if (stream !== null) for await (const chunk of stream) length += chunk.length;
  return length;
}
