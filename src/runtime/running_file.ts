/** From which file this library runs, as the runtime has it: bundlers write another into `import.meta.url`, or nothing at all. */
import { fileURLToPath } from "node:url";

/** How many calls are looked through, at most. */
const DEPTH = 200;

/**
 * The files whose calls are under way, this one's first: each as the runtime has it.
 * @returns paths; URLs, where those are not of files; or what an eval calls itself. Empty where the runtime does not say
 */
export function runningFiles(depth = DEPTH): string[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = depth;
    // A stack as text names the sources, where there are source maps. webpack has each module in an eval while one develops.
    Error.prepareStackTrace = (_error, sites) =>
      sites.map((site) => (site.isEval() ? site.getScriptNameOrSourceURL() : site.getFileName()));
    const holder: { stack?: unknown } = {};
    Error.captureStackTrace(holder);
    const files = Array.isArray(holder.stack) ? (holder.stack as unknown[]) : [];
    return files.filter((file) => typeof file === "string").map(pathOf);
  } catch {
    return []; // what Error has may be frozen
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
    Reflect.set(Error, "prepareStackTrace", prepareStackTrace);
  }
}

/**
 * The file that this code runs from: one of the library's own, or that of a bundle, or what an eval calls itself.
 * @returns its path; its URL, where that is not one of a file; null where the runtime does not say
 */
export function runningFile(): string | null {
  return runningFiles(1)[0] ?? null;
}

/** Whether a bundler has put this library into a file of its own. @param url what `import.meta.url` says; undefined where it was taken away */
export function isBundled(url: string | undefined = import.meta.url): boolean {
  if (url === undefined) return true;
  const file = runningFile();
  // Deno names the source, where it is known.
  return file !== null && file !== pathOf(url) && !/[/\\]running_file\.ts$/.test(file);
}

/** ES modules are called by their URLs, in which a loader may have put a query; CommonJS by paths. */
function pathOf(file: string): string {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(file)) return file;
  const url = file.replace(/[?#].*$/, "");
  return url.startsWith("file:") ? fileURLToPath(url) : url;
}
