// What `npm pack` runs in apps/addition: compiles that package into its own dist/, against the library as it has been built.
// (`npm start` and the tests take the program from the project's dist/, where one tsc has put everything.)
import "./node-version.mjs";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { prepare, root } from "./prepare.mjs";

prepare();
const folder = path.join(root, "apps", "addition");
const dist = path.join(folder, "dist");
fs.rmSync(dist, { recursive: true, force: true });
const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
const { status, error, stdout } = spawnSync(process.execPath, [tsc, "-p", path.join(folder, "tsconfig.build.json")], {
  cwd: root,
  encoding: "utf8",
});
if (status !== 0) {
  console.error(error ? error.message : stdout);
  process.exit(1);
}
fs.copyFileSync(path.join(root, "LICENSE"), path.join(dist, "LICENSE"));
