/** What Plinth is measured beside, and run on, is installed from lock files of their own, as exactly as our own packages. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { testOnNode as test } from "../support/runtime.ts";

async function read<T>(folder: string, name: string): Promise<T> {
  return JSON.parse(
    await readFile(new URL(`${folder}/${name}`, import.meta.resolve("plinth/package.json")), "utf8"),
  ) as T;
}

interface Locked {
  readonly resolved?: string;
  readonly integrity?: string;
}

async function locked(folder: string): Promise<Record<string, Locked>> {
  return (await read<{ packages: Record<string, Locked> }>(folder, "package-lock.json")).packages;
}

for (const folder of ["bench", "runtimes"]) {
  test(`${folder}: versions are exact`, async () => {
    const { dependencies, optionalDependencies } = await read<
      Record<"dependencies" | "optionalDependencies", Record<string, string>>
    >(folder, "package.json");
    for (const [name, version] of Object.entries({ ...dependencies, ...optionalDependencies }))
      assert.match(version, /^(npm:[\w-]+@)?\d+\.\d+\.\d+$/, name);
  });

  test(`${folder}: the lock file has a sum for every package, and no address`, async () => {
    const packages = await locked(folder);
    const names = Object.keys(packages).filter((name) => name !== "");
    assert.ok(names.length > 0);
    for (const name of names) {
      assert.equal(packages[name].resolved, undefined, name);
      assert.match(packages[name].integrity ?? "", /^sha512-/, name);
    }
  });
}

test("there are runtimes for every platform", async () => {
  const names = Object.keys(await locked("runtimes"));
  for (const platform of ["linux-x64", "linux-x64-musl", "linux-aarch64", "darwin-aarch64"])
    assert.ok(names.includes(`node_modules/@oven/bun-${platform}`), platform);
  for (const platform of ["linux-x64-glibc", "linux-arm64-glibc", "darwin-x64", "darwin-arm64"])
    assert.ok(names.includes(`node_modules/@deno/${platform}`), platform);
  for (const platform of ["20-linux-x64", "20-linux-arm64", "26-linux-x64", "26-linux-arm64"])
    assert.ok(names.includes(`node_modules/node-${platform}`), platform);
});
