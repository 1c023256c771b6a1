/** Plinth's ThreadingHTTPServer. */
import { ThreadingHTTPServer } from "plinth";
import { Handler } from "./plinth_handler.ts";

const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { threads: 2, log: "none" });
await httpd.serverActivate();
console.log(`http://127.0.0.1:${httpd.serverAddress[1]}/`);
await httpd.serveForever();
