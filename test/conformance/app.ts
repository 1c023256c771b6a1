/** Serves the conformance cases' contract: `npm run conformance-app -- --port N`. */
import { parseArgs } from "node:util";
import { HTTPServer } from "plinth";
import { ConformanceHandler } from "./handler.ts";

const { values } = parseArgs({
  options: { port: { type: "string", default: "8000" }, host: { type: "string", default: "127.0.0.1" } },
});
const httpd = new HTTPServer([values.host, Number(values.port)], ConformanceHandler, { log: "none" });
await httpd.serverActivate();
console.log(`Conformance app at http://${httpd.serverAddress[0]}:${httpd.serverAddress[1]}/`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void httpd.shutdown());
await httpd.serveForever();
