/**
 * Types for response_oracle.mjs, which reads HTTP/1 responses for tests and benchmarks and shares no code with the engine. What each
 * does is described there. The build leaves that file where it is, so it is imported from the project's folder.
 */
/** Names and values in their order, one character a byte. */
export type FieldLines = readonly (readonly [name: string, value: string])[];

export type Framing = "none" | "counted" | "chunked" | "until-close" | "tunnel";

export interface Head {
  readonly version: "1.0" | "1.1";
  readonly status: number;
  readonly reason: string;
  readonly fields: FieldLines;
  readonly framing: Framing;
  readonly length: number | null;
  readonly closes: boolean;
}

/** A response with its content. */
export interface TakenResponse extends Head {
  readonly content: Buffer;
  readonly trailers: FieldLines;
  readonly size: number;
}

export type Sender = "Plinth" | "any server";

export interface ResponseOracle {
  readonly trailers: FieldLines;
  readonly bytesRead: number;
  readonly rest: Buffer;
  readonly isWhole: boolean;
  feed(bytes: Uint8Array): void;
  end(): void;
  readHead(method: string): Head | null;
  readContent(): Buffer | null;
}

interface Module {
  readonly ResponseOracle: new (sender?: Sender) => ResponseOracle;
  readonly MalformedResponse: new (message: string) => Error;
  readonly IncompleteResponse: new (message: string) => Error;
  valuesOf(fields: FieldLines, name: string): string[];
  valueOf(fields: FieldLines, name: string): string | null;
  takeResponses(
    bytes: Uint8Array,
    how?: { readonly methods?: readonly string[]; readonly ended?: boolean; readonly sender?: Sender },
  ): { readonly responses: TakenResponse[]; readonly rest: Buffer };
}

const file = new URL("test/support/response_oracle.mjs", import.meta.resolve("plinth/package.json"));
export const { ResponseOracle, MalformedResponse, IncompleteResponse, valuesOf, valueOf, takeResponses } =
  (await import(file.href)) as Module;
