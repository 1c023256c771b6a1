// A reader of responses, strict and small, written from RFC 9112 and not from our writer: what we send must be what others read.
import assert from "node:assert/strict";

export interface ReadResponse {
  readonly status: number;
  readonly reason: string;
  readonly fields: [name: string, value: string][];
  /** One character a byte. */
  readonly body: string;
  readonly framing: "none" | "length" | "chunked" | "close" | "tunnel";
  readonly trailers: [name: string, value: string][];
  /** The interim responses before it. */
  readonly interim: { status: number; fields: [name: string, value: string][] }[];
}

/**
 * Reads the responses to requests of these methods, in order (RFC 9112 §6.3). Nothing may be left over.
 * @param closed whether the connection has ended behind the bytes
 */
export function readResponses(data: string, methods: readonly string[], closed = false): ReadResponse[] {
  const reader = new Reader(data);
  const responses = methods.map((method) => reader.response(method, closed));
  assert.equal(reader.rest, "", "bytes are left over behind the last response");
  return responses;
}

class Reader {
  readonly #data: string;
  #at = 0;

  constructor(data: string) {
    this.#data = data;
  }

  get rest(): string {
    return this.#data.slice(this.#at);
  }

  response(method: string, closed: boolean): ReadResponse {
    const interim = [];
    for (;;) {
      const line = /^HTTP\/1\.1 ([1-5][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)$/.exec(this.#line());
      assert.ok(line !== null, "a status line");
      const status = Number(line[1]);
      const fields = this.#fields();
      if (status >= 200)
        return { status, reason: line[2], fields, interim, ...this.#content(method, status, fields, closed) };
      interim.push({ status, fields });
    }
  }

  #content(
    method: string,
    status: number,
    fields: [string, string][],
    closed: boolean,
  ): Pick<ReadResponse, "body" | "framing" | "trailers"> {
    const lengths = valuesOf(fields, "content-length");
    const codings = valuesOf(fields, "transfer-encoding");
    assert.ok(lengths.length + codings.length <= 1, "a response is framed once");
    if (method === "CONNECT" && status < 300) {
      assert.equal(lengths.length + codings.length, 0, "a tunnel is not framed (RFC 9110 §9.3.6)");
      return { body: this.#take(this.rest.length), framing: "tunnel", trailers: [] };
    }
    if (status === 204)
      assert.equal(lengths.length + codings.length, 0, "204 is not framed (RFC 9110 §8.6, RFC 9112 §6.1)");
    if (method === "HEAD" || status === 204 || status === 304) return { body: "", framing: "none", trailers: [] };
    if (codings.length === 1) {
      assert.deepEqual(codings, ["chunked"]);
      let body = "";
      for (;;) {
        const size = /^[0-9a-f]+$/i.exec(this.#line());
        assert.ok(size !== null, "a chunk size");
        const length = Number.parseInt(size[0], 16);
        if (length === 0) return { body, framing: "chunked", trailers: this.#fields() };
        body += this.#take(length);
        assert.equal(this.#line(), "", "a chunk ends with CR LF");
      }
    }
    if (lengths.length === 1) {
      assert.match(lengths[0], /^[0-9]+$/);
      return { body: this.#take(Number(lengths[0])), framing: "length", trailers: [] };
    }
    assert.ok(closed, "a response that only the close ends is complete only then");
    return { body: this.#take(this.rest.length), framing: "close", trailers: [] };
  }

  #fields(): [string, string][] {
    const fields: [string, string][] = [];
    for (let line = this.#line(); line !== ""; line = this.#line()) {
      const field = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(line);
      assert.ok(field !== null, `a field line: ${JSON.stringify(line)}`);
      fields.push([field[1], field[2]]);
    }
    return fields;
  }

  #line(): string {
    const end = this.#data.indexOf("\r\n", this.#at);
    assert.ok(end >= 0, `a line that ends with CR LF: ${JSON.stringify(this.rest.slice(0, 80))}`);
    const line = this.#data.slice(this.#at, end);
    assert.ok(!/[\r\n]/.test(line), "CR and LF come together");
    this.#at = end + 2;
    return line;
  }

  #take(length: number): string {
    assert.ok(this.#at + length <= this.#data.length, "content is complete");
    const taken = this.#data.slice(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }
}

function valuesOf(fields: [string, string][], name: string): string[] {
  return fields.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);
}
