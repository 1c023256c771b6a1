/** node:http, as its documentation has it. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { respond } from "./respond.ts";

const server = http.createServer(async (request, response) => {
  response.end(await respond(request.method!, request.url!, () => json(request)));
});
server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
