import fastify from "fastify";
import { Piscina } from "piscina";
import { listensOn } from "./work.mjs";

const pool = new Piscina({ filename: new URL("./piscina-worker.mjs", import.meta.url).href });
const app = fastify();
app.post("/", async ({ body }) => ({ sum: await pool.run(body) }));

await app.listen({ host: "127.0.0.1", port: 0 });
listensOn(app.server.address().port);
