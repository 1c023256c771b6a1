// Run by Deno.
import { DOWNLOAD, lengthOf, listensOn, pieces, tls } from "./common.mjs";

const byPath = /^\/val_a\/([^/]+)\/val_b\/([^/]+)$/;

async function handle(request) {
  const { pathname } = new URL(request.url);
  if (request.method === "POST" && pathname === "/") {
    const { val_a, val_b } = await request.json();
    return Response.json({ sum: val_a + val_b });
  }
  if (request.method === "POST" && pathname === "/upload")
    return Response.json({ length: await lengthOf(request.body) });
  if (request.method === "GET" && pathname === "/download") {
    const headers = { "Content-Type": "application/octet-stream", "Content-Length": String(DOWNLOAD) };
    return new Response(pieces(), { headers });
  }
  const [, val_a, val_b] = byPath.exec(pathname) ?? [];
  if (request.method === "GET" && val_a !== undefined) return Response.json({ sum: Number(val_a) + Number(val_b) });
  return new Response(null, { status: 404 });
}

Deno.serve({ hostname: "127.0.0.1", port: 0, ...tls, onListen: ({ port }) => listensOn(port) }, handle);
