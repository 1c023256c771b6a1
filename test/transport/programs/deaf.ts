/** A thread that listens with room for one connection that waits, and accepts none. */
import { parentPort, workerData } from "node:worker_threads";
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

class Handler extends BaseHTTPRequestHandler {}

const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", requestQueueSize: 1 });
await httpd.serverActivate();
parentPort!.postMessage(httpd.serverAddress[1]);
// Whoever is to get that message gets it behind this turn.
await new Promise((resolve) => setImmediate(resolve));
Atomics.wait(workerData as Int32Array, 0, 0);
httpd.serverClose();
