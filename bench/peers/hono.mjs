// Hono on its Node adapter.
import { serve } from "@hono/node-server";
import { listensOn } from "./common.mjs";
import { app } from "./hono-app.mjs";

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => listensOn(port));
