/**
 * The copies of this library that one thread has loaded: two versions in node_modules, or one in a bundle and one beside it. Errors of
 * another copy are recognised, since all their members are public. Handler classes and servers of another copy are refused, since they work
 * by private members; the error says which copies there are.
 */
import path from "node:path";
import { VERSION } from "../version.ts";
import { runningFile } from "./running_file.ts";

/** A copy of this library, as the other copies see it. */
interface Copy {
  readonly version: string;
  /** The folder of the copy, or the file of a bundle; "an unknown place" if the runtime does not say. */
  readonly place: string;
}

const own: Copy = {
  version: VERSION,
  get place() {
    const file = runningFile();
    if (file === null) return "an unknown place";
    const [, folder] = /^(.*?)(?:[/\\]dist)?[/\\]src[/\\]runtime[/\\]running_file\.[jt]s$/.exec(file) ?? [];
    return folder ?? path.normalize(file);
  },
};

const COPIES = Symbol.for("plinth.copies");
const shared = globalThis as { [COPIES]?: Copy[] };
(shared[COPIES] ??= []).push(own);

/** Whether this thread has loaded more than one copy. */
export function hasCopies(): boolean {
  return shared[COPIES]!.length > 1;
}

/** The copies that this thread has loaded, for an error. */
export function listCopies(): string {
  return shared[COPIES]!.map(({ version, place }) => `${version} in ${place}`).join(" and ");
}

/** Advice, for an error: two copies are loaded. */
export const ONE_COPY =
  "Keep one copy: npm ls plinth shows which packages have installed it, npm dedupe merges copies where their versions allow it, and a bundle" +
  " that contains plinth must not be mixed with code that imports it from node_modules";

/** The classes that copies mark, so that each copy recognises those of the others. */
type Kind = "BaseHTTPRequestHandler" | "HTTPServer" | "HTTPError" | "PeerGoneError" | "ResponseCutError";

const markOf = (kind: Kind): symbol => Symbol.for(`plinth.${kind}`);

/** Marks a class of this copy, and the classes that extend it. */
export function mark(Class: { readonly prototype: object }, kind: Kind): void {
  Object.defineProperty(Class.prototype, markOf(kind), { value: own });
}

/**
 * Implements `instanceof` of an error class, which is true for the errors of other copies too.
 * @param asked the class on the right of `instanceof`, which may extend the class of this copy
 * @param Own the class of this copy
 */
export function isInstance(asked: unknown, Own: unknown, kind: Kind, value: unknown): boolean {
  if (Function.prototype[Symbol.hasInstance].call(asked, value)) return true;
  // An error of another copy cannot be an instance of a class that extends this copy's class.
  return asked === Own && value instanceof Error && markOf(kind) in value;
}

/**
 * Whether a class belongs to another copy, or extends a class of another copy.
 * @returns what is wrong, for an error; null if it does not
 */
export function ofAnotherCopy(Class: unknown, kind: Kind): string | null {
  const copy = ((Class as { prototype?: unknown } | null)?.prototype as Record<symbol, Copy | undefined> | undefined)?.[
    markOf(kind)
  ];
  if (copy === undefined || copy === own) return null;
  const name = (Class as { name?: unknown }).name;
  return (
    `two copies of plinth are loaded, and ${typeof name === "string" && name !== "" ? name : "the class"} is based on the ${kind}` +
    ` of ${copy.version} in ${copy.place}, not on that of ${own.version} in ${own.place}. ${ONE_COPY}`
  );
}
