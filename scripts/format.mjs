// npm run format: writes what the check of the format asks for. It needs no build: sources that do not compile can be formatted.
import "./node-version.mjs";
import { install, tool } from "./prepare.mjs";

install();
process.exitCode = tool("oxfmt", ["."], { stdio: "inherit" }).status ?? 1;
