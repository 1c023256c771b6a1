// Hono, without what carries it.
import { Hono } from "hono";
import { DOWNLOAD, lengthOf, pieces } from "./common.mjs";

export const app = new Hono();

app.post("/", async (c) => {
  const { val_a, val_b } = await c.req.json();
  return c.json({ sum: val_a + val_b });
});

app.get("/val_a/:val_a/val_b/:val_b", (c) =>
  c.json({ sum: Number(c.req.param("val_a")) + Number(c.req.param("val_b")) }),
);

app.post("/upload", async (c) => c.json({ length: await lengthOf(c.req.raw.body) }));

app.get("/download", (c) =>
  c.body(pieces(), 200, { "Content-Type": "application/octet-stream", "Content-Length": String(DOWNLOAD) }),
);
