// What Plinth's programs have in common: which Plinth, the two streams, and how a server is started.
//
//     BENCH_PLINTH     another checkout, built; this one when left out
//     BENCH_LISTENERS  how many event loops accept; one when left out
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/prepare.mjs";
import { DOWNLOAD, listensOn, PIECE, tlsFiles } from "./common.mjs";

/** Imports what another checkout, or this one, was built to. @param {string} file from dist/ on */
export const fromDist = (file) =>
  import(pathToFileURL(path.join(process.env.BENCH_PLINTH ?? root, "dist", ...file.split("/"))).href);

export const { BaseHTTPRequestHandler, HTTPServer, HTTPSServer } = await fromDist("src/mod.js");

/** Reads content of any length without keeping it. @param {InstanceType<typeof BaseHTTPRequestHandler>} handler */
export async function upload(handler) {
  const buffer = Buffer.allocUnsafeSlow(PIECE.length);
  let length = 0;
  for (let n; (n = await handler.rfile.readInto1(buffer)) > 0;) length += n;
  handler.sendJson({ length });
}

/** Writes the large response. @param {InstanceType<typeof BaseHTTPRequestHandler>} handler */
export async function download(handler) {
  handler.sendResponse(200);
  handler.sendHeader("Content-Type", "application/octet-stream");
  handler.sendHeader("Content-Length", DOWNLOAD);
  handler.endHeaders();
  for (let left = DOWNLOAD; left > 0 && !handler.clientGone; left -= PIECE.length) await handler.wfile.write(PIECE);
}

export async function serve(Handler, options = {}) {
  const listeners = Number(process.env.BENCH_LISTENERS ?? 1);
  const all = { log: "none", listeners, ...options };
  const httpd =
    tlsFiles === undefined
      ? new HTTPServer(["127.0.0.1", 0], Handler, all)
      : new HTTPSServer(["127.0.0.1", 0], Handler, { certfile: tlsFiles.cert, keyfile: tlsFiles.key, ...all });
  await httpd.serverActivate();
  listensOn(httpd.serverAddress[1]);
  await httpd.serveForever();
}
