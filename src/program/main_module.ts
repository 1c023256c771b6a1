/** Finds the program's main module, which is the file that threads import again. */
import module from "node:module";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { runningFile, runningFiles } from "../runtime/running_file.ts";

/** How this process was started. */
export interface Start {
  /** `process.argv`. */
  readonly argv: readonly string[];
  /** `process.execArgv`. */
  readonly execArgv: readonly string[];
  /** The path of the program if a process manager imports it from a file of its own: `pm_exec_path` of pm2. */
  readonly managed: string | undefined;
  /** In Electron: the path of the app's main module if that is CommonJS, since the arguments may name a document. Null elsewhere. */
  readonly electron: { readonly main: string | undefined } | null;
}

export interface MainModule {
  /** Null if there is no main module. */
  readonly url: string | null;
  /** Why there is no main module, as a sentence; "" if there is one. */
  readonly lack: string;
}

const EVALUATES = /^(?:-e|-p|-pe|--eval|--print)(?:=|$)/;

/**
 * Finds the main module. If the process was started with a file of an installed package, such as a test runner or a launcher, the program
 * is the user's own file that constructs the server.
 * @param constructing the path of that file; null if only installed packages construct the server
 */
export function findMain(start: Start, constructing: () => string | null): MainModule {
  const { argv, execArgv, managed, electron } = start;
  if (electron !== null)
    return fileOr(electron.main ?? constructing(), "Electron does not say which file is the program");
  const file = argv[1];
  if (managed !== undefined && file !== undefined && /[\\/]ProcessContainer[A-Za-z]*\.js$/.test(file))
    return fileOr(managed, `${managed}, which pm2 was given, does not exist`);
  if (execArgv.some((option) => EVALUATES.test(option)))
    return { url: null, lack: "The process was given its program on the command line, not in a file" };
  const main = file === undefined ? null : resolveFile(file);
  if (main === null) {
    const given = file === undefined ? "was started without a file" : `was started with ${file}, which is no file`;
    return fileOr(constructing(), `The process ${given}`);
  }
  const own = isInstalled(main) ? constructing() : null;
  return { url: pathToFileURL((own === null ? null : resolveFile(own)) ?? main).href, lack: "" };
}

function fileOr(file: string | null, lack: string): MainModule {
  const found = file === null ? null : resolveFile(file);
  return found === null ? { url: null, lack } : { url: pathToFileURL(found).href, lack: "" };
}

/**
 * Finds the file that an argument of Node means: "node program" may mean program.js, and "node ." the file that package.json names.
 * @param folder the folder from which the argument is resolved; "" is the present one
 * @returns null if there is no such file
 */
export function resolveFile(file: string, folder = ""): string | null {
  try {
    // (If createRequire were imported by its name, bundlers would try to resolve its arguments.)
    return module.createRequire(path.resolve("main")).resolve(path.resolve(folder, file));
  } catch {
    return null;
  }
}

function isInstalled(file: string): boolean {
  return /[\\/]node_modules[\\/]/.test(file);
}

/** The path of the outermost file on the call stack that belongs to neither an installed package nor this library; null if there is none. */
export function callingFile(): string | null {
  // undefined if this library is bundled, so that it has no folder.
  const library = /^(.*[/\\])runtime[/\\]running_file\.[a-z]+$/.exec(runningFile() ?? "")?.[1];
  const isForeign = (file: string): boolean => isInstalled(file) || (library !== undefined && file.startsWith(library));
  return (
    runningFiles()
      .filter((file) => path.isAbsolute(file) && !isForeign(file))
      .at(-1) ?? null
  );
}

/** How this process was started. */
export function startOfProcess(): Start {
  const { argv, execArgv } = process;
  // (On Deno, reading the environment would need a permission.)
  const managed = "deno" in process.versions ? undefined : process.env["pm_exec_path"];
  const electron = "electron" in process.versions ? { main: process.mainModule?.filename } : null;
  return { argv, execArgv, managed, electron };
}
