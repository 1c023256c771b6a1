// npm run coverage: all tests, and how much of the engine and the foundation classes they reached. The pages are in coverage/.
import "./node-version.mjs";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { prepare, root } from "./prepare.mjs";

prepare();
const found = path.join(root, "coverage", "tmp");
fs.rmSync(found, { recursive: true, force: true });
const run = (...args) =>
  spawnSync(process.execPath, args, { cwd: root, stdio: "inherit", env: { ...process.env, NODE_V8_COVERAGE: found } })
    .status ?? 1;
const tested = run("scripts/test.mjs", "--all");
keepOwn(found);
delete process.env.NODE_V8_COVERAGE;
const { status } = spawnSync(process.execPath, ["node_modules/c8/bin/c8.js", "report"], {
  cwd: root,
  stdio: "inherit",
});
process.exitCode = tested || (status ?? 1);

/**
 * Drops whatever does not belong to src/. c8 reads all source maps before it chooses by name, and stops at one whose script has no
 * file, such as a module made from text.
 */
function keepOwn(folder) {
  const own = pathToFileURL(path.join(root, "dist", "src")).href + "/";
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name);
    const { result = [], "source-map-cache": maps = {}, ...rest } = readReport(file);
    const kept = result.filter(({ url }) => url.startsWith(own));
    if (kept.length === 0) fs.rmSync(file);
    else {
      const ownMaps = Object.fromEntries(Object.entries(maps).filter(([url]) => url.startsWith(own)));
      fs.writeFileSync(file, JSON.stringify({ ...rest, result: kept, "source-map-cache": ownMaps }));
    }
  }
}

/** What a process has written; nothing if it was killed while it wrote. */
function readReport(file) {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return {};
  }
}
