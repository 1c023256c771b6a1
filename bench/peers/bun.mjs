// Run by Bun, which sends a stream in chunks, whatever Content-Length it is given.
import { DOWNLOAD, lengthOf, listensOn, pieces, tlsFiles } from "./common.mjs";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  ...(tlsFiles && { tls: { cert: Bun.file(tlsFiles.cert), key: Bun.file(tlsFiles.key) } }),
  routes: {
    "/": {
      POST: async (request) => {
        const { val_a, val_b } = await request.json();
        return Response.json({ sum: val_a + val_b });
      },
    },
    "/val_a/:val_a/val_b/:val_b": {
      GET: ({ params: { val_a, val_b } }) => Response.json({ sum: Number(val_a) + Number(val_b) }),
    },
    "/upload": { POST: async (request) => Response.json({ length: await lengthOf(request.body) }) },
    "/download": {
      GET: () =>
        new Response(pieces(), {
          headers: { "Content-Type": "application/octet-stream", "Content-Length": String(DOWNLOAD) },
        }),
    },
  },
});
listensOn(server.port);
