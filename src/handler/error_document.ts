/** The content of an error response: a problem document (RFC 9457) or a page, whichever the client prefers. */
import type { Buffer } from "node:buffer";
import { encode } from "../protocol/bytes.ts";

/** The texts of an error response. */
export interface ErrorText {
  /** The status code. */
  readonly code: number;
  /** The title of the error. */
  readonly message: string;
  /** What happened, for the person who reads the response; undefined where the handler does not say. */
  readonly explain: string | undefined;
  /** More members of the problem document. */
  readonly problem: Readonly<Record<string, unknown>> | undefined;
}

/** The page that a handler class sends for an error. */
export interface ErrorPage {
  readonly format: string;
  /** The media type of the page, with its parameters: text/html; charset=utf-8. */
  readonly type: string;
}

const PROBLEM = "application/problem+json";

/**
 * The default error page. `%(code)d`, `%(message)s` and `%(explain)s` are replaced by the texts of the error, escaped for HTML.
 * @source Python's `DEFAULT_ERROR_MESSAGE`
 */
export const ERROR_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>%(code)d %(message)s</title>
<style>body { font: 1.1em/1.5 system-ui, sans-serif; max-width: 40em; margin: 15vh auto; padding: 0 1em; color-scheme: light dark }</style>
<h1>%(message)s</h1>
<p>%(explain)s</p>
<p><small>%(code)d</small></p>
</html>
`;

export const ERROR_PAGE_TYPE = "text/html; charset=utf-8";

/**
 * The content of an error response: a problem document, or the page if the client prefers the page's media type. A class's own page is
 * also sent to clients that have no preference.
 * @param accepts the values of the request's Accept fields
 */
export function errorContent(
  error: ErrorText,
  page: ErrorPage,
  accepts: readonly string[],
): { type: string; content: Buffer } {
  const accept = accepts.length === 0 ? null : accepts.join();
  const pageType = page.type.split(";")[0].trim().toLowerCase();
  const isOwn = page.format !== ERROR_PAGE || page.type !== ERROR_PAGE_TYPE;
  const sendsPage = isOwn ? !prefersSecond(accept, pageType, PROBLEM) : prefersSecond(accept, PROBLEM, pageType);
  if (sendsPage) return { type: page.type, content: encode(fillErrorPage(page.format, pageType, error)) };
  const { code: status, message: title, explain: detail, problem } = error;
  const document = { title, status, ...(detail === undefined ? {} : { detail }), ...problem };
  return { type: PROBLEM, content: encode(JSON.stringify(document) + "\n") };
}

/**
 * Fills an error page.
 * @param format `%(code)d`, `%(message)s` and `%(explain)s` are replaced, `%%` is a percent sign
 * @param type the media type of the page: texts are escaped for HTML, XML and JSON, and for no other type
 */
function fillErrorPage(format: string, type: string, text: ErrorText): string {
  const escape = /html|xml/i.test(type) ? escapeMarkup : /json/i.test(type) ? escapeJson : (value: string) => value;
  return format.replace(
    /%(?:\((code|message|explain)\)[ds]|%)/g,
    (_, name: "code" | "message" | "explain" | undefined) =>
      name === undefined ? "%" : escape(String(text[name] ?? "")),
  );
}

/**
 * Whether an Accept field gives the second of two media types a greater weight than the first (RFC 9110 §12.5.1).
 * @param accept the field's value, null where there is no such field
 */
function prefersSecond(accept: string | null, first: string, second: string): boolean {
  return accept !== null && quality(accept, second) > quality(accept, first);
}

/** The weight that an Accept field gives to a media type: the weight of the most specific range that contains the type. */
function quality(accept: string, type: string): number {
  const [main] = type.split("/");
  const ranges = ["*/*", `${main}/*`, type];
  // A client that accepts application/json can read application/problem+json.
  if (type.endsWith("+json")) ranges.splice(2, 0, `${main}/json`);
  let best = -1;
  let weight = 0;
  for (const range of accept.toLowerCase().split(",")) {
    const [name, ...parameters] = range.split(";").map((part) => part.trim());
    const rank = ranges.indexOf(name);
    if (rank <= best) continue;
    best = rank;
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    weight = q === undefined ? 1 : /^q=[01](?:\.[0-9]*)?$/.test(q) ? Math.min(1, Number(q.slice(2))) : 0;
  }
  return weight;
}

/** Escapes a text that stands inside the quotes of a JSON string. */
function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
