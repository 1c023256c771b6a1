/** Quotes what a client sent in what it is told: enough of it to see what is meant, no more. */

/** In characters. */
const MAX_LENGTH = 40;

export function quote(text: string): string {
  return text.length > MAX_LENGTH ? `${JSON.stringify(text.slice(0, MAX_LENGTH))}…` : JSON.stringify(text);
}
