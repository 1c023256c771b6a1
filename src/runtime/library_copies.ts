/**
 * The copies of this library that one thread has loaded: two versions in node_modules, or one in a bundle and one beside it. What is plain
 * data in another copy's hands is recognised here (errors); what works by private members (handler classes, servers) is refused, with
 * words that say which copies there are.
 */
import path from "node:path";
import { VERSION } from "../version.ts";
import { runningFile } from "./running_file.ts";

/** One copy, as the others see it. */
interface Copy {
  readonly version: string;
  /** Its folder, or the file of a bundle; "an unknown place" where the runtime does not say. */
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

/** Whether the copies that this thread has loaded are more than one. */
export function hasCopies(): boolean {
  return shared[COPIES]!.length > 1;
}

/** The copies that this thread has loaded, for an error. */
export function listCopies(): string {
  return shared[COPIES]!.map(({ version, place }) => `${version} in ${place}`).join(" and ");
}

/** What to do about two copies. */
export const ONE_COPY =
  "See to it that there is one: npm ls plinth shows who has installed which, npm dedupe makes one of those that may be one, and a bundle" +
  " that holds plinth must not be mixed with what imports it from node_modules";

/** What copies tell apart by a mark that they share, since no class of one is a class of another. */
type Kind = "BaseHTTPRequestHandler" | "HTTPServer" | "HTTPError" | "PeerGoneError" | "ResponseCutError";

const markOf = (kind: Kind): symbol => Symbol.for(`plinth.${kind}`);

/** Marks a class of this copy, and what extends it. */
export function mark(Class: { readonly prototype: object }, kind: Kind): void {
  Object.defineProperty(Class.prototype, markOf(kind), { value: own });
}

/**
 * What `instanceof` says of errors: those of other copies are such errors as well. (Their names, codes and texts are all there is to them.)
 * @param asked the class that stands behind `instanceof`, which may extend the one of this copy
 */
export function isInstance(asked: unknown, Own: unknown, kind: Kind, value: unknown): boolean {
  if (Function.prototype[Symbol.hasInstance].call(asked, value)) return true;
  // What extends it here, no other copy knows.
  return asked === Own && value instanceof Error && markOf(kind) in value;
}

/**
 * Whether a class is another copy's.
 * @returns what is wrong, for an error; null where it is not
 */
export function ofAnotherCopy(Class: unknown, kind: Kind): string | null {
  const copy = ((Class as { prototype?: unknown } | null)?.prototype as Record<symbol, Copy | undefined> | undefined)?.[
    markOf(kind)
  ];
  if (copy === undefined || copy === own) return null;
  const name = (Class as { name?: unknown }).name;
  return (
    `two copies of plinth are loaded, and ${typeof name === "string" && name !== "" ? name : "the class"} is made of another ${kind} than` +
    ` this one's: that of ${copy.version} in ${copy.place}, and not that of ${own.version} in ${own.place}. ${ONE_COPY}`
  );
}
