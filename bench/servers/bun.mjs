// Run by Bun.
import { compute, LARGE, listensOn } from "./work.mjs";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: {
    "/": {
      GET: () => new Response(""),
      POST: async (request) => {
        const { val_a, val_b } = await request.json();
        return Response.json({ sum: val_a + val_b });
      },
    },
    "/large": { GET: () => new Response(Buffer.alloc(LARGE, "r")) },
    "/compute": {
      POST: async (request) => {
        const { milliseconds } = await request.json();
        return Response.json({ computed: compute(milliseconds) });
      },
    },
    "/upload": { POST: async (request) => Response.json({ length: (await request.arrayBuffer()).byteLength }) },
  },
});
listensOn(server.port);
