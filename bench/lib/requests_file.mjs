// Ready-made requests in a file, for load/wrk.lua to read.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";

/** What lies in such a file: for each request a line with its length in bytes, and then the request. */
export function packRequests(requests) {
  return Buffer.concat(requests.flatMap((bytes) => [Buffer.from(`${bytes.length}\n`), bytes]));
}

let folder;
let files = 0;

/** Writes them to a file that is gone when this process is. */
export function writeRequests(requests) {
  if (folder === undefined) {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "plinth-bench-"));
    process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  }
  const file = path.join(folder, `requests-${++files}`);
  fs.writeFileSync(file, packRequests(requests));
  return file;
}
