// The addition server, without its command line: numbers of any length, every check, problem documents.
import { fromDist, serve } from "./plinth.mjs";

const { AdditionHandler, MAX_BODY_SIZE } = await fromDist("apps/addition/handler.js");
await serve(AdditionHandler, { maxBodySize: MAX_BODY_SIZE });
