// uWebSockets.js.
import uWS from "uwebsockets";
import { DOWNLOAD, listensOn, PIECE, tlsFiles } from "./common.mjs";

const app = tlsFiles ? uWS.SSLApp({ key_file_name: tlsFiles.key, cert_file_name: tlsFiles.cert }) : uWS.App();

app.post("/", (response) => {
  collect(response, (content) => {
    const { val_a, val_b } = JSON.parse(content.toString());
    sendJson(response, { sum: val_a + val_b });
  });
});

app.get("/val_a/:val_a/val_b/:val_b", (response, request) => {
  sendJson(response, { sum: Number(request.getParameter(0)) + Number(request.getParameter(1)) });
});

app.post("/upload", (response) => {
  let length = 0;
  response.onAborted(() => {});
  response.onData((chunk, isLast) => {
    length += chunk.byteLength;
    if (isLast) sendJson(response, { length });
  });
});

app.get("/download", (response) => {
  let aborted = false;
  response.onAborted(() => (aborted = true));
  response.writeHeader("Content-Type", "application/octet-stream");
  // Goes on where the kernel has stopped taking, which may be inside a piece.
  const write = (from) => {
    for (let at = from; !aborted;) {
      const [ok, done] = response.tryEnd(PIECE.subarray(at % PIECE.length), DOWNLOAD);
      if (!ok || done) return ok;
      at = response.getWriteOffset();
    }
    return true;
  };
  response.onWritable(write);
  response.cork(() => write(0));
});

/** What comes in chunks is only lent, and so copied; most comes whole. */
function collect(response, onContent) {
  let before = null;
  response.onAborted(() => {});
  response.onData((chunk, isLast) => {
    const bytes = Buffer.from(chunk);
    if (!isLast) before = before === null ? Buffer.concat([bytes]) : Buffer.concat([before, bytes]);
    else onContent(before === null ? bytes : Buffer.concat([before, bytes]));
  });
}

/** Called where uWebSockets.js has called us: what is written there leaves together. */
function sendJson(response, value) {
  response.writeHeader("Content-Type", "application/json").end(JSON.stringify(value));
}

app.listen("127.0.0.1", 0, (socket) => listensOn(uWS.us_socket_local_port(socket)));
