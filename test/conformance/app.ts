/** Serves the conformance cases' contract: `npm run conformance-app -- --port N [--threads]`. */
import { parseArgs } from "node:util";
import { HTTPServer, ThreadingHTTPServer } from "plinth";
import { ConformanceHandler } from "./handler.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8000" },
    host: { type: "string", default: "127.0.0.1" },
    threads: { type: "boolean", default: false },
  },
});
const Server = values.threads ? ThreadingHTTPServer : HTTPServer;
const httpd = new Server([values.host, Number(values.port)], ConformanceHandler, { log: "none" });
await httpd.serverActivate();
console.log(`Conformance app at http://${httpd.serverAddress[0]}:${httpd.serverAddress[1]}/`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void httpd.shutdown());
await httpd.serveForever();
