/** Deno.serve, as its documentation has it. */
import { respond } from "./respond.ts";

declare const Deno: {
  serve(
    options: { port: number; hostname: string; onListen(address: { readonly port: number }): void },
    handler: (request: Request) => Promise<Response>,
  ): unknown;
};

Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(`http://127.0.0.1:${port}/`) },
  async (request) => new Response(await respond(request.method, new URL(request.url).pathname, () => request.json())),
);
