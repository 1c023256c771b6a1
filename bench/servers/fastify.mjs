import fastify from "fastify";
import { compute, LARGE, listensOn } from "./work.mjs";

const app = fastify();
app.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.get("/", async () => "");
app.get("/large", (_request, reply) => reply.type("application/octet-stream").send(Buffer.alloc(LARGE, "r")));
app.post("/", async ({ body: { val_a, val_b } }) => ({ sum: val_a + val_b }));
app.post("/compute", async ({ body: { milliseconds } }) => ({ computed: compute(milliseconds) }));
app.post("/upload", async ({ body }) => ({ length: body.length }));

await app.listen({ host: "127.0.0.1", port: 0 });
listensOn(app.server.address().port);
