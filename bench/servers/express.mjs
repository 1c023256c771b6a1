import express from "express";
import { compute, LARGE, listensOn } from "./work.mjs";

const app = express();
app.use(express.json());
app.get("/", (_request, response) => response.end());
app.get("/large", (_request, response) => response.type("application/octet-stream").send(Buffer.alloc(LARGE, "r")));
app.post("/", ({ body: { val_a, val_b } }, response) => response.json({ sum: val_a + val_b }));
app.post("/compute", ({ body: { milliseconds } }, response) => response.json({ computed: compute(milliseconds) }));
app.post("/upload", express.raw({ limit: "2mb" }), ({ body }, response) => response.json({ length: body.length }));

const server = app.listen(0, "127.0.0.1", () => listensOn(server.address().port));
