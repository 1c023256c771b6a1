// The bundlers, each as its documentation has it for a server on Node: production builds, one file, nothing in them but what is needed.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { rspack } from "@rspack/core";
import { rollup } from "rollup";
import { build as vite } from "vite";
import webpack from "webpack";
import { executableOf } from "../scripts/runtime_files.mjs";

const require = createRequire(import.meta.url);
// The project's own.
const esbuild = require("../node_modules/esbuild");

/**
 * @typedef {object} Build what to do
 * @property {string} folder of the program
 * @property {string} entry its main file
 * @property {string} out a new folder, for what is made
 * @property {boolean} external whether plinth is left out
 */

/**
 * @typedef {object} Bundle what was made
 * @property {string} file
 * @property {readonly string[]} said errors and warnings
 * @property {"node" | "bun" | "itself"} [by] what runs it; Node where that is left out
 */

/** Each by its name. @type {Record<string, (build: Build) => Promise<Bundle> | Bundle>} */
export const bundlers = {
  "esbuild, ESM": (build) => withEsbuild(build, "esm"),
  "esbuild, CommonJS": (build) => withEsbuild(build, "cjs"),
  "webpack, ESM": (build) => withWebpack(webpack, build, true),
  "webpack, CommonJS": (build) => withWebpack(webpack, build, false),
  "webpack, while one develops": (build) => withWebpack(webpack, build, false, "development"),
  "rspack, ESM": (build) => withWebpack(rspack, build, true),
  "rspack, CommonJS": (build) => withWebpack(rspack, build, false),
  "rollup, ESM": (build) => withRollup(build, "es"),
  "rollup, CommonJS": (build) => withRollup(build, "cjs"),
  ncc: withNcc,
  "Vite, SSR": withVite,
  "bun build, for Node": (build) => withBun(build, ["--target=node"], "bundle.mjs"),
  "bun build, for Node, CommonJS": (build) => withBun(build, ["--target=node", "--format=cjs"], "bundle.cjs"),
  "bun build, for Bun": (build) => ({ ...withBun(build, ["--target=bun"], "bundle.js"), by: "bun" }),
  // A program that was compiled looks for packages only where it is told to.
  "bun build --compile": (build) => ({
    ...withBun(build, ["--compile", ...(build.external ? ["--compile-autoload-package-json"] : [])], "bundle.exe"),
    by: "itself",
  }),
};

async function withEsbuild({ folder, entry, out, external }, format) {
  const file = path.join(out, format === "esm" ? "bundle.mjs" : "bundle.cjs");
  const { warnings } = await esbuild.build({
    absWorkingDir: folder,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    platform: "node",
    format,
    outfile: file,
    external: external ? ["plinth"] : [],
    logLevel: "silent",
  });
  return { file, said: warnings.map(({ text }) => text) };
}

/** rspack as well, which takes the same configuration. */
function withWebpack(bundler, { folder, entry, out, external }, isModule, mode = "production") {
  const filename = isModule ? "bundle.mjs" : "bundle.cjs";
  const output = isModule ? { module: true, chunkFormat: "module", library: { type: "module" } } : {};
  const configuration = {
    mode,
    target: "node20",
    context: folder,
    entry,
    experiments: isModule && bundler === webpack ? { outputModule: true } : {},
    externals: external ? { plinth: `${isModule ? "module" : "commonjs"} plinth` } : {},
    output: { path: out, filename, ...output },
  };
  return new Promise((resolve, reject) => {
    bundler(configuration, (error, stats) => {
      if (error) return reject(error);
      const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
      resolve({ file: path.join(out, filename), said: [...errors, ...warnings].map(({ message }) => message) });
    });
  });
}

async function withRollup({ entry, out, external }, format) {
  const file = path.join(out, format === "es" ? "bundle.mjs" : "bundle.cjs");
  const said = [];
  const bundle = await rollup({
    input: entry,
    external: [/^node:/, ...(external ? ["plinth"] : [])],
    plugins: [nodeResolve()],
    onwarn: ({ message }) => said.push(message),
  });
  await bundle.write({ file, format });
  await bundle.close();
  return { file, said };
}

/** @param {Build} build */
function withNcc({ folder, entry, out, external }) {
  const cli = fileURLToPath(new URL("node_modules/@vercel/ncc/dist/ncc/cli.js", import.meta.url));
  const flags = ["--quiet", "--no-cache", "--minify", ...(external ? ["--external", "plinth"] : [])];
  const said = run(process.execPath, [cli, "build", entry, "--out", out, ...flags], folder);
  return { file: path.join(out, "index.js"), said };
}

/** @param {Build} build */
async function withVite({ folder, entry, out, external }) {
  const said = [];
  const tell = (message) => said.push(message);
  await vite({
    root: folder,
    configFile: false,
    customLogger: {
      hasWarned: false,
      info() {},
      warn: tell,
      warnOnce: tell,
      error: tell,
      clearScreen() {},
      hasErrorLogged: () => false,
    },
    ssr: external ? { external: ["plinth"] } : { noExternal: true },
    build: {
      ssr: entry,
      outDir: out,
      emptyOutDir: true,
      minify: true,
      reportCompressedSize: false,
      rollupOptions: { output: { entryFileNames: "bundle.js" } },
    },
  });
  return { file: path.join(out, "bundle.js"), said };
}

function withBun({ folder, entry, out, external }, flags, name) {
  const file = path.join(out, name);
  const all = [entry, ...flags, "--minify", `--outfile=${file}`, ...(external ? ["--external", "plinth"] : [])];
  return { file, said: run(executableOf("bun"), ["build", ...all], folder) };
}

/** @returns {string[]} what it has to say beside what it says of every build */
function run(program, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8" });
  if (status !== 0) return [`exit status ${status}: ${error ?? ""}${stdout}${stderr}`];
  return /\b(warn|error)/i.test(stdout + stderr) ? [stdout + stderr] : [];
}
