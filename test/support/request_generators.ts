// Generators of everything that HTTP/1.1 allows in a request, by its grammar and not by what clients usually send.
import * as fc from "fast-check";
import type { Message } from "./driver.ts";

const ALPHA_DIGIT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const latin1Range = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCharCode(from + i));

const oneOf = (characters: string | string[]): fc.Arbitrary<string> => fc.constantFrom(...characters);
const text = (characters: string | string[], minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: oneOf(characters), minLength, maxLength, size: "max" });

/** token (RFC 9110 §5.6.2) */
export const token: fc.Arbitrary<string> = text(ALPHA_DIGIT + "!#$%&'*+-.^_`|~", 1, 12);

/** field-value (RFC 9110 §5.5), without white space around it */
export const fieldValue: fc.Arbitrary<string> = text(
  ["\t", ...latin1Range(0x20, 0x7e), ...latin1Range(0x80, 0xff)],
  0,
  24,
).map((value) => value.replace(/^[ \t]+|[ \t]+$/g, ""));

/** Any bytes, and more often those that look like framing. One character a byte. */
export const content: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: text(latin1Range(0, 0xff), 0, 60), weight: 20 },
  { arbitrary: text("\r\n0123456789abc;: GET/HTP.", 0, 60), weight: 20 },
  { arbitrary: fc.constantFrom("", "\r\n", "0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\0".repeat(300)), weight: 20 },
  { arbitrary: fc.constant("x".repeat(20_000)), weight: 1 }, // more than is read ahead
);

const OWS = fc.constantFrom("", " ", "\t", " \t  ");
const BWS = fc.constantFrom("", "", " ", "\t ");
const pathCharacters = ALPHA_DIGIT + "-._~!$&'()*+,;=:@/[]|^";
const originForm = fc
  .tuple(text(pathCharacters, 0, 20), fc.option(text(pathCharacters + "?\\`{}", 0, 20), { nil: null }))
  .map(([path, query]) => `/${path}${query === null ? "" : `?${query}`}`);
const host = fc.constantFrom("a", "example.com", "A-b.c:8080", "192.0.2.1", "[::1]", "[2001:db8::1]:80", "x%41", "a:");

const targetOf = (method: string): fc.Arbitrary<string> => {
  if (method === "CONNECT") return fc.constantFrom("a:80", "[::1]:443", "192.0.2.1:1");
  const absolute = fc
    .tuple(fc.constantFrom("http://", "HTTPS://"), host, fc.oneof(originForm, fc.constantFrom("", "?q")))
    .map((parts) => parts.join(""));
  const forms = [
    { arbitrary: originForm, weight: 4 },
    { arbitrary: absolute, weight: 1 },
  ];
  if (method === "OPTIONS") forms.push({ arbitrary: fc.constant("*"), weight: 3 });
  return fc.oneof(...forms);
};

/** What means something to the connection is generated on its own, below. */
const MEANINGFUL = new Set(["host", "content-length", "transfer-encoding", "connection", "expect"]);
const FORBIDDEN_TRAILERS = new Set(["host", "content-length", "transfer-encoding", "connection", "trailer"]);

const fieldOf = (without: ReadonlySet<string>): fc.Arbitrary<WaitingQueue> =>
  fc
    .tuple(token, fieldValue, OWS, OWS)
    .filter(([name]) => !without.has(name.toLowerCase()))
    .map(([name, value, before, after]) => ({ name, value, line: `${name}:${before}${value}${after}\r\n` }));

interface WaitingQueue {
  readonly name: string;
  readonly value: string;
  readonly line: string;
}

const line = (name: string, value: string): WaitingQueue => ({ name, value, line: `${name}: ${value}\r\n` });

/** chunk-ext (RFC 9112 §7.1.1) */
const extensions: fc.Arbitrary<string> = fc
  .array(
    fc
      .tuple(
        BWS,
        BWS,
        token,
        fc.option(
          fc.tuple(
            BWS,
            BWS,
            fc.oneof(
              token,
              fc
                .array(
                  fc.oneof(
                    oneOf(
                      ["\t", ...latin1Range(0x20, 0x7e), ...latin1Range(0x80, 0xff)].filter((c) => !'"\\'.includes(c)),
                    ),
                    oneOf(["\t", ...latin1Range(0x20, 0x7e), ...latin1Range(0x80, 0xff)]).map((c) => `\\${c}`),
                  ),
                  { maxLength: 8, size: "max" },
                )
                .map((parts) => `"${parts.join("")}"`),
            ),
          ),
          { nil: null },
        ),
      )
      .map(
        ([before, after, name, value]) =>
          `${before};${after}${name}${value === null ? "" : `${value[0]}=${value[1]}${value[2]}`}`,
      ),
    { maxLength: 3, size: "max" },
  )
  .map((parts) => parts.join(""));

const chunkSize = (size: number): fc.Arbitrary<string> =>
  fc
    .tuple(fc.nat(4), fc.boolean())
    .map(([zeros, upper]) => "0".repeat(zeros) + (upper ? size.toString(16).toUpperCase() : size.toString(16)));

interface Body {
  readonly lines: WaitingQueue[];
  readonly coded: string;
  readonly body: string;
  readonly trailers: [string, string][] | null;
}

const noBody: fc.Arbitrary<Body> = fc.constant({ lines: [], coded: "", body: "", trailers: null });

const countedBody: fc.Arbitrary<Body> = fc.tuple(content, fc.nat(3)).map(([body, zeros]) => ({
  lines: [line("Content-Length", "0".repeat(zeros) + body.length)],
  coded: body,
  body,
  trailers: null,
}));

const chunkedBody: fc.Arbitrary<Body> = fc
  .tuple(
    fc.array(
      content
        .filter((data) => data !== "")
        .chain((data) => fc.tuple(chunkSize(data.length), extensions, fc.constant(data))),
      { maxLength: 5, size: "max" },
    ),
    chunkSize(0),
    extensions,
    fc.array(fieldOf(FORBIDDEN_TRAILERS), { maxLength: 3, size: "max" }),
    fc.constantFrom("chunked", "Chunked", ", chunked"),
  )
  .map(([chunks, last, extension, trailers, coding]) => ({
    lines: [line("Transfer-Encoding", coding)],
    coded:
      chunks.map(([size, extension, data]) => `${size}${extension}\r\n${data}\r\n`).join("") +
      `${last}${extension}\r\n${trailers.map(({ line }) => line).join("")}\r\n`,
    body: chunks.map(([, , data]) => data).join(""),
    trailers: trailers.length === 0 ? null : trailers.map(({ name, value }) => [name, value]),
  }));

/** A request as it is sent, and as it should arrive. */
export interface Sent {
  readonly data: string;
  readonly message: Message;
}

/** A valid request on a connection that goes on behind it. */
export const request: fc.Arbitrary<Sent> = fc
  .tuple(
    fc.oneof(token, fc.constantFrom("GET", "HEAD", "POST", "QUERY", "OPTIONS", "CONNECT", "RICKROLL")),
    fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.7"),
  )
  .chain(([method, version]) =>
    fc.tuple(
      fc.constant(method),
      fc.constant(version),
      targetOf(method),
      fc.nat(2),
      host,
      fc.array(fieldOf(MEANINGFUL), { maxLength: 5, size: "max" }),
      version === "HTTP/1.0" ? fc.oneof(noBody, countedBody) : fc.oneof(noBody, countedBody, chunkedBody),
      fc.boolean(),
      fc.infiniteStream(fc.nat(8)),
    ),
  )
  .map(([method, version, target, emptyLines, host, others, { lines, coded, body, trailers }, expects, places]) => {
    const all = [...others];
    const own = [line("Host", host), ...lines];
    if (version === "HTTP/1.0") own.push(line("Connection", "Keep-Alive"));
    else if (expects) own.push(line("Expect", "100-Continue"));
    for (const one of own) all.splice(places.next().value % (all.length + 1), 0, one);
    return {
      data:
        "\r\n".repeat(emptyLines) +
        `${method} ${target} ${version}\r\n${all.map(({ line }) => line).join("")}\r\n${coded}`,
      message: {
        method,
        target,
        version: version === "HTTP/1.0" ? "HTTP/1.0" : "HTTP/1.1",
        fields: all.map(({ name, value }): [string, string] => [name, value]),
        body,
        complete: true,
        trailers,
      },
    };
  });

/** A few requests, one behind the other. */
export const requests: fc.Arbitrary<Sent[]> = fc.array(request, { minLength: 1, maxLength: 4, size: "max" });

/** Places to cut at, anywhere in bytes whose number is not known yet: parts of a million. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.nat(1_000_000), { maxLength: 12, size: "max" });

export function placesIn(length: number, cuts: readonly number[]): number[] {
  return cuts.map((cut) => Math.floor((cut / 1_000_000) * length));
}
