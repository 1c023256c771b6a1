/** Serves, and says how many milliseconds of each half second it has taken of a core. */
import process from "node:process";
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

class Handler extends BaseHTTPRequestHandler {}

const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
await httpd.serverActivate();
console.log(httpd.serverAddress[1]);
let before = process.cpuUsage();
setInterval(() => {
  const { user, system } = process.cpuUsage(before);
  before = process.cpuUsage();
  console.log(Math.round((user + system) / 1000));
}, 500);
