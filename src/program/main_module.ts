/** The program's main module: the file that threads import once more, as far as one can be told. */
import module from "node:module";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { runningFile, runningFiles } from "../runtime/running_file.ts";

/** What is known of how this process was started. */
export interface Start {
  /** `process.argv`. */
  readonly argv: readonly string[];
  /** `process.execArgv`. */
  readonly execArgv: readonly string[];
  /** The path of the program, where a process manager imports it from a file of its own: `pm_exec_path` of pm2. */
  readonly managed: string | undefined;
  /** In Electron, whose arguments may name a document: the path of the app's main module, where that is CommonJS. Null elsewhere. */
  readonly electron: { readonly main: string | undefined } | null;
}

export interface MainModule {
  /** Null where there is none. */
  readonly url: string | null;
  /** Why there is none, as a sentence; "" where there is one. */
  readonly lack: string;
}

const EVALUATES = /^(?:-e|-p|-pe|--eval|--print)(?:=|$)/;

/**
 * Where the process was started with an installed package's file, which may be a test runner's or a launcher's, the program is the
 * file of the user's own that constructs the server.
 * @param constructing the path of that file; null where the server is constructed by installed packages alone
 */
export function findMain(start: Start, constructing: () => string | null): MainModule {
  const { argv, execArgv, managed, electron } = start;
  if (electron !== null)
    return fileOr(electron.main ?? constructing(), "Electron does not say which file is the program");
  const file = argv[1];
  if (managed !== undefined && file !== undefined && /[\\/]ProcessContainer[A-Za-z]*\.js$/.test(file))
    return fileOr(managed, `${managed}, which pm2 was given, is not there`);
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
 * The file that is meant, as Node finds it: "node program" may mean program.js, and "node ." what the package there names.
 * @param folder in which it is meant, if it is not the present one
 * @returns null where there is none
 */
export function resolveFile(file: string, folder = ""): string | null {
  try {
    // (Bundlers would look for what is resolved by a createRequire that is imported by its name.)
    return module.createRequire(path.resolve("main")).resolve(path.resolve(folder, file));
  } catch {
    return null;
  }
}

function isInstalled(file: string): boolean {
  return /[\\/]node_modules[\\/]/.test(file);
}

/** The path of the outermost file that has a call under way and is neither installed nor this library's; null where there is none. */
export function callingFile(): string | null {
  // Where this library's files are files of their own.
  const library = /^(.*[/\\])runtime[/\\]running_file\.[a-z]+$/.exec(runningFile() ?? "")?.[1];
  const isOthers = (file: string): boolean => isInstalled(file) || (library !== undefined && file.startsWith(library));
  return (
    runningFiles()
      .filter((file) => path.isAbsolute(file) && !isOthers(file))
      .at(-1) ?? null
  );
}

/** How this process was started. */
export function startOfProcess(): Start {
  const { argv, execArgv } = process;
  // Deno would have to be asked for the environment.
  const managed = "deno" in process.versions ? undefined : process.env["pm_exec_path"];
  const electron = "electron" in process.versions ? { main: process.mainModule?.filename } : null;
  return { argv, execArgv, managed, electron };
}
