/** The peers that Plinth is measured beside are installed from a lock file of their own, as exactly as our own packages. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { testOnNode as test } from "../support/runtime.ts";

const root = new URL("bench/", import.meta.resolve("plinth/package.json"));

async function read<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(new URL(name, root), "utf8")) as T;
}

test("versions are exact", async () => {
  const { dependencies, optionalDependencies } =
    await read<Record<"dependencies" | "optionalDependencies", Record<string, string>>>("package.json");
  for (const [name, version] of Object.entries({ ...dependencies, ...optionalDependencies }))
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
});

test("the lock file has a sum for every package, no address, and every platform's runtimes", async () => {
  interface Locked {
    readonly resolved?: string;
    readonly integrity?: string;
  }
  const { packages } = await read<{ packages: Record<string, Locked> }>("package-lock.json");
  const names = Object.keys(packages).filter((name) => name !== "");
  assert.ok(names.length > 0);
  for (const name of names) {
    assert.equal(packages[name].resolved, undefined, name);
    assert.match(packages[name].integrity ?? "", /^sha512-/, name);
  }
  for (const platform of ["linux-x64", "linux-x64-musl", "linux-aarch64", "darwin-aarch64"])
    assert.ok(names.includes(`node_modules/@oven/bun-${platform}`), platform);
  for (const platform of ["linux-x64-glibc", "linux-arm64-glibc", "darwin-x64", "darwin-arm64"])
    assert.ok(names.includes(`node_modules/@deno/${platform}`), platform);
  for (const platform of ["linux-x64", "linux-arm64"])
    assert.ok(names.includes(`node_modules/node-${platform}`), platform);
});
