/** The field lines that every response has: written out once a second, when their Date changes. */
import { Lines } from "../protocol/fields.ts";

export class DatedLines {
  readonly #before: string;
  #date = "";
  #lines = new Lines("");

  /** @param before the lines in front of Date */
  constructor(before: string) {
    this.#before = before;
  }

  /** @param date the value of Date (IMF-fixdate, RFC 9110 §5.6.7) */
  at(date: string): Lines {
    if (date !== this.#date) {
      this.#date = date;
      this.#lines = new Lines(`${this.#before}Date: ${date}\r\n`);
    }
    return this.#lines;
  }
}
