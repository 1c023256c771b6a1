// What every command does first: install what is missing, build what is stale. When there is nothing to do it costs
// some file stats and no process. `node scripts/prepare.mjs` does both; with `install` behind it, the first alone.
//
// Both make their result aside, in .aside-PID/, and rename it into place at the end. So an interruption leaves the
// old state and not half of a new one, two commands started at once do the work twice but never mix it, and a
// running server keeps its files until the new ones are whole.
import "./node-version.mjs";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const inRoot = (...names) => path.join(root, ...names);
const say = (line) => process.stderr.write(`${line}\n`);

/** Ends the command with what went wrong: these scripts have no callers who could do better. */
function fail(...lines) {
  for (const line of lines) say(line.trimEnd());
  process.exit(1);
}

export function prepare() {
  install();
  build();
}

/** Runs a built file in this very process, so that signals and the exit status are its own and no time is lost. */
export async function runBuilt(file, args) {
  prepare();
  const whole = path.resolve(root, file);
  if (!fs.existsSync(whole)) fail(`There is no ${file}: is there a source for it?`);
  process.argv = [process.argv[0], whole, ...args];
  await import(pathToFileURL(whole).href);
}

/** Runs npm: the one that runs us, if one does, since there may be no other in PATH. */
export function npm(args, options) {
  const running = process.env.npm_execpath;
  if (running && path.basename(running) === "npm-cli.js") {
    return spawnSync(process.execPath, [running, ...args], { encoding: "utf8", ...options });
  }
  return spawnSync("npm", args, { encoding: "utf8", shell: process.platform === "win32", ...options });
}

// ---------------------------------------------------------------------------------------------------------- install

/**
 * node_modules is right when it was installed from the present lock file, for this kind of machine.
 * @param {string} folder of the package: the project, or bench with its own lock file
 */
export function install(folder = ".") {
  const wanted = hash([process.platform, process.arch, fs.readFileSync(inRoot(folder, "package-lock.json"))]);
  const isRight = () => readIfThere(inRoot(folder, "node_modules", ".installed-from")) === wanted;
  if (isRight()) return;

  say(folder === "." ? "Installing what is missing …" : `Installing what ${folder} needs …`);
  withAside((aside) => {
    const { packages } = JSON.parse(fs.readFileSync(inRoot(folder, "package-lock.json"), "utf8"));
    const workspaces = Object.keys(packages).filter((place) => place !== "" && !place.includes("node_modules"));
    const manifests = ["", ...workspaces].map((place) => path.join(place, "package.json"));
    for (const file of ["package-lock.json", ...manifests]) copyInto(aside, folder, file);
    // Each flag holds against a user's configuration, or against that of an npm command which we run under.
    // Nothing that we depend on needs its install script to have run.
    const flags = [
      "--include=dev",
      "--include=optional",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--no-dry-run",
    ];
    const { status, error, stdout, stderr } = npm(["ci", ...flags], { cwd: aside });
    if (status !== 0)
      return () =>
        fail(`npm ci failed: ${error ? error.message : `exit status ${status}`}`, stdout ?? "", stderr ?? "");
    fs.writeFileSync(path.join(aside, "node_modules", ".installed-from"), wanted);
    if (!isRight()) swapIn(path.join(aside, "node_modules"), inRoot(folder, "node_modules"), aside);
    // Windows has no relative links, so those that npm has made there lead aside.
    if (process.platform === "win32") relink(folder, packages);
  });
}

/** Makes the links in node_modules to the project's own packages once more. @param packages those of the lock file, by their places */
function relink(folder, packages) {
  for (const [place, { link, resolved }] of Object.entries(packages)) {
    if (!link) continue;
    fs.rmSync(inRoot(folder, place), { force: true });
    fs.symlinkSync(inRoot(folder, resolved), inRoot(folder, place), "junction");
  }
}

function copyInto(aside, folder, file) {
  fs.mkdirSync(path.dirname(path.join(aside, file)), { recursive: true });
  fs.copyFileSync(inRoot(folder, file), path.join(aside, file));
}

// ------------------------------------------------------------------------------------------------------------ build

const sourceFolders = ["src", "apps", "examples", "test"];

/** What decides how sources are built. When one of these changes, nothing that was built before is used again. */
const settings = ["package.json", "package-lock.json", "tsconfig.json", "scripts/prepare.mjs"];

/**
 * dist is right when it was built from the present settings and sources: the same files, sizes and times of change.
 * Only what depends on a change is built again: tsc keeps in dist/.tsbuildinfo what it needs to know for that.
 */
export function build() {
  const sources = sourceFolders.flatMap((folder) => filesIn(folder)).filter(isSource);
  const wanted = { settings: hash(settings.map(factOf)), sources: hash(sources.map(factOf)) };
  const wantedText = JSON.stringify(wanted);
  const builtFrom = () => readIfThere(inRoot("dist", ".built-from"));
  const isRight = () => builtFrom() === wantedText;
  if (isRight()) return;

  say("Building …");
  withAside((aside) => {
    const dist = path.join(aside, "dist");
    if (settingsOf(builtFrom()) === wanted.settings) copyWhole(inRoot("dist"), dist);
    // tsc sees a copy of the inputs, with a dist of its own: "exports" and "imports" of package.json, source maps and
    // messages come out as they would in place.
    for (const file of [...settings, ...sources]) copyInto(aside, ".", file);
    const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
    const run = () => spawnSync(process.execPath, [tsc], { cwd: aside, encoding: "utf8" });
    let { status, error, stdout, stderr } = run();
    // tsc does not see that an output is gone which it made before.
    if (status === 0 && sources.some((file) => !fs.existsSync(path.join(dist, file.replace(/ts$/, "js"))))) {
      fs.rmSync(dist, { recursive: true });
      ({ status, error, stdout, stderr } = run());
    }
    if (status !== 0) return () => fail(error ? error.message : `${stdout}${stderr}`, "The build failed.");
    removeOrphans(dist, sources);
    openDeclarations(path.join(dist, "src"));
    fs.writeFileSync(path.join(dist, ".built-from"), wantedText);
    if (!isRight()) swapIn(dist, inRoot("dist"), aside);
  });
}

/** Not what an app has built of its own, or what is installed there. */
function isSource(file) {
  return file.endsWith(".ts") && !/\/(?:node_modules|dist)\//.test(file);
}

function factOf(file) {
  const { size, mtimeMs } = fs.statSync(inRoot(file));
  return `${file} ${size} ${mtimeMs}\n`;
}

function settingsOf(text) {
  try {
    return JSON.parse(text).settings;
  } catch {
    return undefined; // Nothing was built, or by an older form of this file.
  }
}

/** Copies a folder that another command may replace in the meantime. Then there is no copy: it could be half of each. */
function copyWhole(from, to) {
  try {
    const { ino } = fs.statSync(from);
    fs.cpSync(from, to, { recursive: true });
    if (fs.statSync(from).ino === ino) return;
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  fs.rmSync(to, { recursive: true, force: true });
}

/** tsc leaves the outputs of a source that is gone where they are. */
function removeOrphans(dist, sources) {
  const outputs = new Set(
    sources.flatMap((file) => ["js", "js.map", "d.ts", "d.ts.map"].map((end) => file.replace(/ts$/, end))),
  );
  for (const name of fs.readdirSync(dist, { recursive: true })) {
    const output = name.split(path.sep).join("/");
    if (/\.(js|ts|map)$/.test(output) && !outputs.has(output)) fs.rmSync(path.join(dist, name));
  }
}

/**
 * Takes `#private;` out of the declarations of classes. tsc writes it for a class that has private names, and it tells users nothing
 * but that. Since TypeScript 6, who extends such a class without giving a name to what comes of it, as a mixin does, cannot have that
 * declared (TS4094).
 */
function openDeclarations(folder) {
  for (const name of fs.readdirSync(folder, { recursive: true })) {
    if (!name.endsWith(".d.ts")) continue;
    const file = path.join(folder, name);
    const text = fs.readFileSync(file, "utf8");
    const open = text.replace(/^ +#private;\n/gm, "");
    if (open !== text) fs.writeFileSync(file, open);
  }
}

/** Every file under a folder of the project, as "folder/…/name", in a fixed order. A folder that is not there is empty. */
export function filesIn(folder) {
  const found = [];
  const walk = (inside) => {
    for (const entry of fs.readdirSync(inRoot(inside), { withFileTypes: true })) {
      const name = `${inside}/${entry.name}`;
      if (entry.isDirectory()) walk(name);
      else found.push(name);
    }
  };
  if (fs.existsSync(inRoot(folder))) walk(folder);
  return found.sort();
}

// ------------------------------------------------------------------------------------------------------------ aside

/** Calls `work` with a new folder beside the project's own, and clears it away. A failure returned is raised after that. */
function withAside(work) {
  removeLeftovers();
  const aside = inRoot(`.aside-${process.pid}`);
  fs.rmSync(aside, { recursive: true, force: true });
  fs.mkdirSync(aside);
  let failure;
  try {
    failure = work(aside);
  } finally {
    fs.rmSync(aside, { recursive: true, force: true });
  }
  if (failure) failure();
}

/** A command that was killed could not clear its folder away. */
function removeLeftovers() {
  for (const name of fs.readdirSync(root)) {
    const [, pid] = /^\.aside-(\d+)$/.exec(name) ?? [];
    if (pid && !isRunning(Number(pid))) fs.rmSync(inRoot(name), { recursive: true, force: true });
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== "ESRCH";
  }
}

/** Renames `made` to `place`. What was there goes to `aside`; another process may put its own there in between. */
function swapIn(made, place, aside) {
  for (let tries = 1; ; tries++) {
    try {
      fs.renameSync(place, path.join(aside, `old-${tries}`));
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
    try {
      return fs.renameSync(made, place);
    } catch (error) {
      if (tries === 10 || !["ENOTEMPTY", "EEXIST", "EPERM"].includes(error.code)) throw error;
    }
  }
}

function hash(parts) {
  const sum = createHash("sha256");
  for (const part of parts) sum.update(part);
  return sum.digest("hex");
}

function readIfThere(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

// ---------------------------------------------------------------------------------------------------------- command

// At the end, where all that it needs is defined. Imported by another script, this file does nothing by itself.
if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === "install") install();
  else prepare();
}
