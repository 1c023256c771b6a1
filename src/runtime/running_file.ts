/** Asks the runtime from which file this library runs. Bundlers write another URL in place of `import.meta.url`, or none. */
import { fileURLToPath } from "node:url";

/** The most calls of the stack that are looked through. */
const DEPTH = 200;

/**
 * The files of the calls on the stack, as the runtime names them. The innermost call is first, which is one of this file.
 * @returns paths; for other URLs than those of files, the URLs; for an eval, the name that its source gives itself. Empty if the runtime
 *   does not say
 */
export function runningFiles(depth = DEPTH): string[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = depth;
    // The sites are asked and not the text of the stack, in which source maps replace the files. webpack puts each module into an eval
    // during development.
    Error.prepareStackTrace = (_error, sites) =>
      sites.map((site) => (site.isEval() ? site.getScriptNameOrSourceURL() : site.getFileName()));
    const holder: { stack?: unknown } = {};
    Error.captureStackTrace(holder);
    const files = Array.isArray(holder.stack) ? (holder.stack as unknown[]) : [];
    return files.filter((file) => typeof file === "string").map(pathOf);
  } catch {
    return []; // Error may be frozen
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
    Reflect.set(Error, "prepareStackTrace", prepareStackTrace);
  }
}

/**
 * The file that this code runs from: a file of the library, or of a bundle.
 * @returns as `runningFiles` names it; null if the runtime does not say
 */
export function runningFile(): string | null {
  return runningFiles(1)[0] ?? null;
}

/** Whether a bundler has put this library into another file. @param url `import.meta.url`; undefined if the bundler has removed it */
export function isBundled(url: string | undefined = import.meta.url): boolean {
  if (url === undefined) return true;
  const file = runningFile();
  // Deno names the source file if it knows one.
  return file !== null && file !== pathOf(url) && !/[/\\]running_file\.ts$/.test(file);
}

/** The path of a file that the runtime names. ES modules are named by URLs, to which a loader may add a query; CommonJS modules by paths. */
function pathOf(file: string): string {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(file)) return file;
  const url = file.replace(/[?#].*$/, "");
  return url.startsWith("file:") ? fileURLToPath(url) : url;
}
