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
const run = (args, more = {}) =>
  spawnSync(process.execPath, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...more } }).status ?? 1;
const tested = run(["scripts/test.mjs", "--all"], { NODE_V8_COVERAGE: found });
keepOwn(found);
const reported = run(["node_modules/c8/bin/c8.js", "report"]);
process.exitCode = tested || reported;

/**
 * Drops the coverage of all scripts but those of src/. c8 reads every source map before it looks at names, and ends in an error at one of
 * a script that has no file, such as a module that was made from text.
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
