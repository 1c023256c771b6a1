import { Readable } from "node:stream";
import express from "express";
import { DOWNLOAD, listensOn, PIECE } from "./common.mjs";

const app = express();
app.disable("x-powered-by");

// More than its default of 100 KB, for the request whose content grows.
const json = express.json({ limit: "4mb" });
app.post("/", json, ({ body: { val_a, val_b } }, response) => response.json({ sum: val_a + val_b }));

app.get("/val_a/:val_a/val_b/:val_b", ({ params: { val_a, val_b } }, response) =>
  response.json({ sum: Number(val_a) + Number(val_b) }),
);

app.post("/upload", (request, response) => {
  let length = 0;
  request.on("data", (chunk) => (length += chunk.length));
  request.on("end", () => response.json({ length }));
});

app.get("/download", (_request, response) => {
  response.set({ "Content-Type": "application/octet-stream", "Content-Length": String(DOWNLOAD) });
  Readable.from(pieces(), { objectMode: false }).pipe(response);
});

function* pieces() {
  for (let left = DOWNLOAD; left > 0; left -= PIECE.length) yield PIECE;
}

const server = app.listen(0, "127.0.0.1", () => listensOn(server.address().port));
