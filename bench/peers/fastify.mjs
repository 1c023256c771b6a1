// Fastify, with schemas for what comes and what goes, as its documentation recommends for speed.
import { Readable } from "node:stream";
import fastify from "fastify";
import { DOWNLOAD, listensOn, PIECE, tls } from "./common.mjs";

// More than its default of 1 MiB, for the request whose content grows.
const app = fastify({ bodyLimit: 4 * 1024 * 1024, https: tls ?? null });

const operands = {
  type: "object",
  required: ["val_a", "val_b"],
  properties: { val_a: { type: "number" }, val_b: { type: "number" } },
};
const response = { 200: { type: "object", properties: { sum: { type: "number" } } } };

app.post("/", { schema: { body: operands, response } }, async ({ body: { val_a, val_b } }) => ({ sum: val_a + val_b }));

app.get("/val_a/:val_a/val_b/:val_b", { schema: { params: operands, response } }, async ({ params }) => ({
  sum: params.val_a + params.val_b,
}));

// A stream comes to the handler as it is.
app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
app.post("/upload", async ({ body }) => {
  let length = 0;
  for await (const chunk of body) length += chunk.length;
  return { length };
});

app.get("/download", (_request, reply) => {
  reply.header("Content-Type", "application/octet-stream").header("Content-Length", DOWNLOAD);
  return reply.send(Readable.from(pieces(), { objectMode: false }));
});

function* pieces() {
  for (let left = DOWNLOAD; left > 0; left -= PIECE.length) yield PIECE;
}

await app.listen({ host: "127.0.0.1", port: 0 });
listensOn(app.server.address().port);
