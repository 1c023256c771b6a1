// npm run check: types, lint and format, no tests.
import "./node-version.mjs";
import { check } from "./checks.mjs";
import { prepare } from "./prepare.mjs";

prepare();
process.exitCode = check() ? 0 : 1;
