// Counts what is done to bytes, where a clock would say something else each time.
import { Buffer } from "node:buffer";

/** How many bytes are copied from one array to another, or within one, or made into strings meanwhile. */
export function bytesMoved(work: () => void): number {
  const arrays = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
  const { set, copyWithin } = arrays;
  const { toString } = Buffer.prototype;
  let count = 0;
  arrays.set = function (this: Uint8Array, from: ArrayLike<number>, at?: number) {
    count += from.length;
    set.call(this, from, at);
  };
  arrays.copyWithin = function (this: Uint8Array, to: number, start: number, end?: number) {
    count += (end ?? this.length) - start;
    return copyWithin.call(this, to, start, end);
  } as typeof copyWithin;
  Buffer.prototype.toString = function (this: Buffer, encoding?: BufferEncoding, start?: number, end?: number) {
    count += (end ?? this.length) - (start ?? 0);
    return toString.call(this, encoding, start, end);
  };
  try {
    work();
  } finally {
    arrays.set = set;
    arrays.copyWithin = copyWithin;
    Buffer.prototype.toString = toString;
  }
  return count;
}

/** Bytes that count how often one of them is looked at. */
export class WatchedBytes {
  looks = 0;
  readonly bytes: Uint8Array;

  constructor(data: Uint8Array) {
    this.bytes = new Proxy(data, {
      get: (target, key) => {
        if (typeof key === "string" && key >= "0" && key < ":") this.looks++;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }
}
