/** `wfile` as a web stream. */
import { quiet } from "./request_body.ts";

/**
 * Makes a stream whose promises never cause an unhandled rejection. The stream fails when the client leaves, and that must not end a
 * program that does not await its writes.
 */
export function contentStream(
  write: (chunk: Uint8Array | string) => void | Promise<void>,
): WritableStream<Uint8Array | string> {
  const stream = new WritableStream({ write });
  const { getWriter, close } = stream;
  stream.close = () => quiet(close.call(stream));
  stream.getWriter = () => {
    const writer = getWriter.call(stream);
    const { write, close } = writer;
    writer.write = (chunk) => quiet(write.call(writer, chunk));
    writer.close = () => quiet(close.call(writer));
    return writer;
  };
  return stream;
}
