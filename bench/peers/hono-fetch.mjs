// Hono on the runtime's own server: Bun's, or Deno's.
import { listensOn } from "./common.mjs";
import { app } from "./hono-app.mjs";

const where = { hostname: "127.0.0.1", port: 0 };
if (globalThis.Bun === undefined) Deno.serve({ ...where, onListen: ({ port }) => listensOn(port) }, app.fetch);
else listensOn(Bun.serve({ ...where, fetch: app.fetch }).port);
