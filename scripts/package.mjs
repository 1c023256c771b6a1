// npm run test:package [-- WORD…]: what checks the packages before they are published: the manifest, the types, the docstrings.
import "./node-version.mjs";
import { filesIn, install, prepare } from "./prepare.mjs";
import { runFiles } from "./tests.mjs";

const words = process.argv.slice(2);
prepare();
install("publishing");
const files = filesIn("publishing").filter((file) => /^publishing\/[^/]+\.test\.mjs$/.test(file));
process.exitCode = await runFiles(files, words, { all: true });
