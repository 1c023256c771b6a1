// npm run build
import "./node-version.mjs";
import { prepare } from "./prepare.mjs";

prepare();
