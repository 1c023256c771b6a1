/** Bun.serve, as its documentation has it. */
import { respond } from "./respond.ts";

declare const Bun: {
  serve(options: {
    port: number;
    hostname: string;
    development: boolean;
    fetch(request: Request): Promise<Response>;
  }): { readonly port: number };
};

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  development: false,
  async fetch(request) {
    return new Response(await respond(request.method, new URL(request.url).pathname, () => request.json()));
  },
});
console.log(`http://127.0.0.1:${server.port}/`);
