/** Why a thread could not be started: too few file descriptors, in whatever words a runtime says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isOutOfFiles, startError } from "../../src/threads/main/thread_handle.ts";

for (const message of [
  "EMFILE: too many open files, open '/srv/program.js'",
  "ENFILE: file table overflow, open '/srv/program.js'",
  "Cannot read package config /srv/node_modules/zod/package.json: too many open files.", // Node 22 and later
  "Too many open files (os error 24)", // Deno
  "too few file descriptors are left (ulimit -n)",
]) {
  test(`"${message}" comes with the advice to raise the limit`, () => {
    assert.ok(isOutOfFiles(new Error(message)));
    for (const hasSaidWhy of [false, true])
      assert.match(startError(new Error(message), hasSaidWhy).message, /Raise the limit of open files \(ulimit -n\)/);
  });
}

test("other errors do not", () => {
  const error = new Error("Cannot read package config /srv/package.json: permission denied.");
  assert.equal(isOutOfFiles(error), false);
  assert.equal(startError(error, true), error);
});
