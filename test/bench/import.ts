/** bench/ is plain JavaScript with a package of its own: what of it needs none of that package's can be imported. */

/** @param file from bench/ on */
export async function importBench<T>(file: string): Promise<T> {
  return (await import(new URL(`bench/${file}`, import.meta.resolve("plinth/package.json")).href)) as T;
}
