/** Responses as text, one character a byte, as tests look at them. The oracle reads them (response_oracle.mjs). */
import assert from "node:assert/strict";
import {
  type FieldLines,
  type Framing,
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
export function takeResponses(text: string, methods: readonly string[] = [], ended = false): TakenResponses {
  const { responses, rest } = take(Buffer.from(text, "latin1"), { methods, ended });
  return { responses: responses.map(asText), rest: rest.toString("latin1") };
}

/**
 * Reads the responses to requests of these methods, in order. Nothing may be missing, and nothing left over.
 * @param ended whether the connection has ended behind the text
 * @throws {MalformedResponse}
 */
export function readResponses(text: string, methods: readonly string[], ended = false): CompleteResponse[] {
  const { responses, rest } = takeResponses(text, methods, ended);
  const complete: CompleteResponse[] = [];
  let interim: ReceivedResponse[] = [];
  for (const response of responses) {
    if (response.status < 200) interim.push(response);
    else {
      complete.push({ ...response, interim });
      interim = [];
    }
  }
  assert.equal(
    complete.length,
    methods.length,
    `responses to ${methods.join(", ")} in ${JSON.stringify(text.slice(0, 500))}`,
  );
  assert.equal(rest, "", "bytes are left over behind the last response");
  assert.deepEqual(interim, [], "an interim response is left over behind the last response");
  return complete;
}

function asText({ status, reason, fields, framing, content, trailers }: TakenResponse): ReceivedResponse {
  const get = (name: string): string | null => valueOf(fields, name);
  return { status, reason, fields, get, framing, body: content.toString("latin1"), trailers };
}
