/** Checks that a field can be sent as it is: that it splits no message (RFC 9110 §5.5), and frames none, which the protocol does. */
import { quote } from "../quote_value.ts";
import { isFieldText, isToken } from "./grammar.ts";

/** @throws {TypeError} for a name that is not a token, and for Content-Length and Transfer-Encoding */
export function checkFieldName(name: string): void {
  if (typeof name !== "string" || !isToken(name)) {
    throw new TypeError(
      `cannot send a field named ${quote(name)}: a name is a token, such as Content-Type (RFC 9110 §5.1)`,
    );
  }
  const lower = name.toLowerCase();
  if (lower === "content-length" || lower === "transfer-encoding") {
    throw new TypeError(`cannot send ${name} as a field: the protocol frames the message from the length it is told`);
  }
}

/**
 * @param name of the field, for the message
 * @returns the value as text; a number in decimal
 * @throws {TypeError} for a value that is neither text nor a number, or has control characters (CR, LF) or characters above U+00FF
 */
export function checkFieldValue(name: string, value: string | number): string {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text === "string" && isFieldText(text)) return text;
  throw new TypeError(
    `cannot send the field ${name} with the value ${quote(text)}: a value is a number, or a string without control characters such as CR and LF, ` +
      "each character at most U+00FF (encode others, for example with encodeURIComponent)",
  );
}
