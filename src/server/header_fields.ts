/** Header fields as those write them who answer. */

/** Header fields to send, by their names; of one name several, where it has an array. */
export type HeaderFields = Readonly<Record<string, string | number | readonly (string | number)[]>>;

/** Gives each field to `send`, one by one. */
export function eachField(headers: HeaderFields, send: (name: string, value: string | number) => void): void {
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (Array.isArray(value)) for (const one of value as readonly (string | number)[]) send(name, one);
    else send(name, value as string | number);
  }
}
