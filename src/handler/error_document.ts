/** What an error looks like: a problem document (RFC 9457), or a page for people, as the client prefers. */
import type { Buffer } from "node:buffer";
import { encode } from "../protocol/bytes.ts";

/** What is said of an error. */
export interface ErrorText {
  readonly code: number;
  /** Its title. */
  readonly message: string;
  /** What happened; undefined when that is not said. */
  readonly explain: string | undefined;
  /** More members of the problem document. */
  readonly problem: Readonly<Record<string, unknown>> | undefined;
}

/** The page that a handler class sends for an error. */
export interface ErrorPage {
  readonly format: string;
  /** Its media type, parameters and all. */
  readonly type: string;
}

const PROBLEM = "application/problem+json";

/**
 * The page; `%(code)d`, `%(message)s` and `%(explain)s` stand for what is said, escaped for HTML.
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
 * The content of an error's response: a problem document, or the page where the client prefers its type. A page of the class's own
 * is also sent to clients that have no preference.
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
 * @param type its media type: for HTML, XML and JSON, what is filled in is escaped
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
 * Which of two media types an Accept field asks for (RFC 9110 §12.5.1); the first one where it is all the same.
 * @param accept the field's value, null where there is none
 */
function prefersSecond(accept: string | null, first: string, second: string): boolean {
  return accept !== null && quality(accept, second) > quality(accept, first);
}

/** The weight that an Accept field gives to a media type: that of the most specific range which it is in. */
function quality(accept: string, type: string): number {
  const [main] = type.split("/");
  const ranges = ["*/*", `${main}/*`, type];
  // A client that takes any JSON takes that of a problem.
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

/** For a place between quotes. */
function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
