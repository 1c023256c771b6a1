// h3 on srvx, its server for Node.
import { getRouterParams, H3, readBody, serve } from "h3";
import { DOWNLOAD, lengthOf, listensOn, pieces } from "./common.mjs";

const app = new H3();

app.post("/", async (event) => {
  const { val_a, val_b } = await readBody(event);
  return { sum: val_a + val_b };
});

app.get("/val_a/:val_a/val_b/:val_b", (event) => {
  const { val_a, val_b } = getRouterParams(event);
  return { sum: Number(val_a) + Number(val_b) };
});

app.post("/upload", async (event) => ({ length: await lengthOf(event.req.body) }));

app.get("/download", (event) => {
  event.res.headers.set("Content-Type", "application/octet-stream");
  event.res.headers.set("Content-Length", String(DOWNLOAD));
  return pieces();
});

const server = await serve(app, { hostname: "127.0.0.1", port: 0, silent: true }).ready();
listensOn(new URL(server.url).port);
