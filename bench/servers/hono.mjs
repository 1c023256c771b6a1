import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { compute, LARGE, listensOn } from "./work.mjs";

const app = new Hono();
app.get("/", (c) => c.body(""));
app.get("/large", (c) => c.body(Buffer.alloc(LARGE, "r"), 200, { "Content-Length": String(LARGE) }));
app.post("/", async (c) => {
  const { val_a, val_b } = await c.req.json();
  return c.json({ sum: val_a + val_b });
});
app.post("/compute", async (c) => {
  const { milliseconds } = await c.req.json();
  return c.json({ computed: compute(milliseconds) });
});
app.post("/upload", async (c) => c.json({ length: (await c.req.arrayBuffer()).byteLength }));

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => listensOn(port));
