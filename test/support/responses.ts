/** Responses as text, one character a byte, as tests look at them. The oracle reads them (response_oracle.mjs). */
import assert from "node:assert/strict";
import type net from "node:net";
import {
  type FieldLines,
  type Framing,
  ResponseOracle,
  type Sender,
  takeResponses as take,
  type TakenResponse,
  valueOf,
} from "./response_oracle.ts";

/** A response as it stood on the wire, one character a byte. */
export interface ReceivedResponse {
  readonly status: number;
  readonly reason: string;
  readonly fields: FieldLines;
  /** The value of the only field of that name, null where there is none. Names are compared in lower case. */
  get(name: string): string | null;
  readonly framing: Framing;
  readonly body: string;
  readonly trailers: FieldLines;
}

/** A response, and the interim ones (1xx) before it. */
export interface CompleteResponse extends ReceivedResponse {
  readonly interim: readonly ReceivedResponse[];
}

export interface TakenResponses {
  /** Those that are whole, in order, interim ones too. */
  readonly responses: ReceivedResponse[];
  /** What follows them: the beginning of another one. */
  readonly rest: string;
}

/**
 * Takes the responses that are whole from the front of what a server has sent.
 * @param methods those of the requests, in order, where they are not GET: the response to a HEAD has no content
 * @param ended whether the connection has ended behind the text
 * @throws {MalformedResponse}
 */
export function takeResponses(
  text: string,
  methods: readonly string[] = [],
  ended = false,
  sender: Sender = "Plinth",
): TakenResponses {
  const { responses, rest } = take(Buffer.from(text, "latin1"), { methods, ended, sender });
  return { responses: responses.map(asText), rest: rest.toString("latin1") };
}

/**
 * Reads the responses to requests of these methods, in order. Nothing may be missing, and nothing left over.
 * @param ended whether the connection has ended behind the text
 * @throws {MalformedResponse}
 */
export function readResponses(
  text: string,
  methods: readonly string[],
  ended = false,
  sender: Sender = "Plinth",
): CompleteResponse[] {
  const { responses, rest } = takeResponses(text, methods, ended, sender);
  const complete: CompleteResponse[] = [];
  let interim: ReceivedResponse[] = [];
  for (const response of responses) {
    if (response.status < 200) interim.push(response);
    else {
      complete.push({ ...response, interim });
      interim = [];
    }
  }
  const shown = JSON.stringify(text.slice(0, 500));
  assert.equal(complete.length, methods.length, `responses to ${methods.join(", ")} in ${shown}`);
  assert.equal(rest, "", "bytes are left over behind the last response");
  assert.deepEqual(interim, [], "an interim response is left over behind the last response");
  return complete;
}

/** A response of which hardly anything was kept. */
export interface CountedResponse {
  readonly status: number;
  /** The first 500 bytes of its content. */
  readonly beginning: string;
  /** How many bytes its content has. */
  readonly length: number;
  readonly trailers: FieldLines;
}

/** Reads a response of any size, up to the end of its connection. Rejects when that is not the end of the response. */
export async function countResponse(socket: net.Socket, method: string): Promise<CountedResponse> {
  const oracle = new ResponseOracle();
  let status = 0;
  let beginning = "";
  let length = 0;
  await new Promise<void>((resolve, reject) => {
    const read = (take: () => void): void => {
      try {
        take();
        if (status === 0) status = oracle.readHead(method)?.status ?? 0;
        if (status === 0) return;
        for (let piece; (piece = oracle.readContent()) !== null; length += piece.length) {
          if (beginning.length < 500) beginning += piece.toString("latin1", 0, 500 - beginning.length);
        }
        assert.ok(!oracle.isWhole || oracle.rest.length === 0, "bytes have come behind the response");
      } catch (error) {
        reject(error as Error);
        socket.destroy();
      }
    };
    socket.on("data", (bytes: Buffer) => read(() => oracle.feed(bytes)));
    socket.on("end", () => read(() => oracle.end()));
    socket.on("error", reject);
    socket.on("close", () => resolve());
  });
  assert.ok(status !== 0 && oracle.isWhole, "the response is whole");
  return { status, beginning, length, trailers: oracle.trailers };
}

function asText({ status, reason, fields, framing, content, trailers }: TakenResponse): ReceivedResponse {
  const get = (name: string): string | null => valueOf(fields, name);
  return { status, reason, fields, get, framing, body: content.toString("latin1"), trailers };
}
