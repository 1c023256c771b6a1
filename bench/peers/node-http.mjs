// Node's own node:http, or node:https, without anything on it.
import http from "node:http";
import https from "node:https";
import { DOWNLOAD, listensOn, PIECE, tls } from "./common.mjs";

function respond(request, response) {
  const { method, url } = request;
  if (method === "POST" && url === "/") return add(request, response);
  if (method === "POST" && url === "/upload") return upload(request, response);
  if (method === "GET" && url === "/download") return download(response);
  const [, val_a, val_b] = /^\/val_a\/([^/]+)\/val_b\/([^/]+)$/.exec(url) ?? [];
  if (method === "GET" && val_a !== undefined) return sendJson(response, { sum: Number(val_a) + Number(val_b) });
  response.writeHead(404).end();
}

function add(request, response) {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const content = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    const { val_a, val_b } = JSON.parse(content.toString());
    sendJson(response, { sum: val_a + val_b });
  });
}

function upload(request, response) {
  let length = 0;
  request.on("data", (chunk) => (length += chunk.length));
  request.on("end", () => sendJson(response, { length }));
}

function download(response) {
  response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": DOWNLOAD });
  let left = DOWNLOAD;
  const write = () => {
    while (left > 0) {
      left -= PIECE.length;
      if (!response.write(PIECE)) return;
    }
    response.end();
  };
  response.on("drain", write);
  write();
}

function sendJson(response, value) {
  const text = JSON.stringify(value);
  response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) });
  response.end(text);
}

const server = tls === undefined ? http.createServer(respond) : https.createServer(tls, respond);
server.listen(0, "127.0.0.1", () => listensOn(server.address().port));
