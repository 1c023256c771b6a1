/** Where the project's files are, for tests that run as they are built, from dist/, as well as from the sources. */
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = path.dirname(fileURLToPath(import.meta.resolve("plinth/package.json")));

/** Whether the tests that run are the sources themselves. */
export const fromSources = import.meta.url.endsWith(".ts");

/** The file of one of the project's own programs, such as "examples/seed", in the form that the tests run in themselves. */
export function programFile(name: string): string {
  return fromSources ? path.join(root, `${name}.ts`) : path.join(root, "dist", `${name}.js`);
}
