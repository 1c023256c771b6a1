// npm run test:bundlers [-- WORD…]: a program out of each bundler, with this library in it and left out; and the validators.
import "./node-version.mjs";
import { filesIn, install, prepare } from "./prepare.mjs";
import { installRuntimes } from "./runtime_files.mjs";
import { runFiles } from "./tests.mjs";

const words = process.argv.slice(2);
prepare();
install("bundlers");
installRuntimes(); // for what Bun bundles
const files = filesIn("bundlers").filter((file) => /^bundlers\/[^/]+\.test\.mjs$/.test(file));
process.exitCode = await runFiles(files, words, { all: true });
