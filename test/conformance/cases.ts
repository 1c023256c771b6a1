/** The corpora beside this file, read, and what each case asks of a server (README.md says where they come from). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../support/places.ts";
import { MalformedResponse } from "../support/response_oracle.ts";
import { takeResponses, type TakenResponses } from "../support/responses.ts";

/** What a case asks for; `verdict` says what each means. */
export type Label = "reject" | "accept" | "accept_or_501" | "wait" | "reject_or_wait" | "either" | "parses";

/** A request that a parser reads out of a case. */
export interface Message {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Names in `fields` have kept the case of their letters. */
  readonly exactNames: boolean;
  /** One character a byte; null where the corpus does not have it. */
  readonly body: string | null;
  /** null where the corpus has them among the fields. */
  readonly trailers: readonly (readonly [name: string, value: string])[] | null;
}

export interface Case {
  readonly id: string;
  readonly label: Label;
  /** What is sent, one character a byte. */
  readonly sent: string;
  readonly mustClose: boolean;
  readonly maxResponses: number;
  readonly responses: number | null;
  readonly echo: string | null;
  readonly messages: readonly Message[];
}

// The shape of the files, as far as it is used here.
interface RawMessage {
  method: string;
  url?: string;
  target?: string;
  version: string;
  headers: [string, string][];
  body_b64?: string;
  trailers?: [string, string][] | null;
}

interface RawCase {
  id: string;
  strict: Label;
  send_b64?: string;
  steps?: { send_b64: string }[];
  messages?: RawMessage[];
  expect?: {
    must_close?: boolean;
    max_responses?: number;
    responses?: number;
    echo_body?: string;
    echo_body_b64?: string;
    messages?: RawMessage[];
  };
}

/** Labels that are wrong, and what is right; README.md argues. */
const CORRECTED: Readonly<Record<string, Label>> = { "llhttp/request/content-length/11": "wait" };

export const FILES = ["h1-cases.json", "framing-mutations.json", "llhttp-requests.json"] as const;

export function readCases(file: (typeof FILES)[number]): Case[] {
  const text = readFileSync(path.join(root, "test/conformance", file), "utf8");
  const { cases } = JSON.parse(text) as { cases: RawCase[] };
  return cases.map((raw) => {
    const steps = raw.steps ?? [{ send_b64: raw.send_b64! }];
    assert.equal(steps.length, 1, raw.id);
    const expect = raw.expect ?? {};
    const echo = expect.echo_body_b64 === undefined ? expect.echo_body : fromBase64(expect.echo_body_b64);
    return {
      id: raw.id,
      label: CORRECTED[raw.id] ?? raw.strict,
      sent: fromBase64(steps[0].send_b64),
      mustClose: expect.must_close === true,
      maxResponses: expect.max_responses ?? Infinity,
      responses: expect.responses ?? null,
      echo: echo ?? null,
      messages: (raw.messages ?? expect.messages ?? []).map(readMessage),
    };
  });
}

function fromBase64(text: string): string {
  return Buffer.from(text, "base64").toString("latin1");
}

function readMessage(raw: RawMessage): Message {
  const ofLlhttp = raw.url !== undefined;
  // llhttp's fixtures write escapes, and UTF-8 as the characters it stands for.
  const asSent = (text: string) => Buffer.from(text.replaceAll("\\t", "\t"), "utf8").toString("latin1");
  const clean = (text: string) => (ofLlhttp ? asSent(text) : text).replace(/^[ \t]+|[ \t]+$/g, "");
  const pairs = (list: [string, string][]) => list.map(([name, value]) => [name, clean(value)] as const);
  return {
    method: raw.method,
    target: raw.target ?? raw.url!,
    version: `HTTP/${raw.version}`,
    fields: pairs(raw.headers),
    exactNames: ofLlhttp,
    body: raw.body_b64 === undefined ? null : fromBase64(raw.body_b64),
    trailers: ofLlhttp ? null : pairs(raw.trailers ?? []),
  };
}

/** What a server did with a case, once it had nothing more to say. */
export interface Outcome {
  /** What it sent, one character a byte. */
  readonly text: string;
  /** It has ended the connection, or its side of it. */
  readonly closed: boolean;
}

/** What is wrong with what a server did; null when it is as the case asks. */
export function verdict(asked: Case, { text, closed }: Outcome): string | null {
  const headOnly = asked.sent.startsWith("HEAD ");
  let taken: TakenResponses;
  try {
    taken = takeResponses(text, headOnly ? ["HEAD", "HEAD"] : [], closed);
  } catch (error) {
    if (error instanceof MalformedResponse) return error.message;
    throw error;
  }
  const { responses, rest } = taken;
  const finals = responses.filter(({ status }) => status >= 200);
  const statuses = finals.map(({ status }) => status);
  const shown = `${statuses.join(", ") || "silence"}, ${closed ? "closed" : "open"}`;
  if (rest !== "") return `part of a response: ${JSON.stringify(rest.slice(0, 60))}`;
  if (finals.length > asked.maxResponses) return `more than ${asked.maxResponses} responses: ${shown}`;

  const silent = finals.length === 0;
  // Refusing is to close, with or without a response, and never to have done what was asked.
  const refused = closed && statuses.every((status) => status >= 400);
  const served = !silent && statuses[0] >= 200 && statuses[0] < 300;
  const unknown = statuses[0] === 501;
  const fine: Record<Label, boolean> = {
    reject: refused,
    wait: silent && !closed,
    reject_or_wait: refused || (silent && !closed),
    either: !silent || closed,
    parses: !silent,
    accept: served,
    accept_or_501: served || unknown,
  };
  if (!fine[asked.label]) return `${asked.label} was asked for: ${shown}`;
  if (!served || !asked.label.startsWith("accept")) return null;

  if (asked.responses !== null && finals.length !== asked.responses)
    return `not ${asked.responses} responses: ${shown}`;
  if (asked.mustClose && !closed) return `not closed: ${shown}`;
  if (asked.echo !== null && finals[0].body !== asked.echo)
    return `the body ${JSON.stringify(finals[0].body.slice(0, 60))}`;
  return null;
}
