/** The command line of the benchmarks. */
import assert from "node:assert/strict";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

interface Options {
  readonly only: readonly string[];
  readonly given: readonly string[];
  readonly json?: string;
  readonly baseline?: string;
  readonly peers?: string;
  readonly help: boolean;
  readonly seconds: number;
  readonly rounds: number;
}

const { readOptions, UsageError } = await importBench<{
  readOptions(
    args: readonly string[],
    names: readonly string[],
    numbers: Record<string, number>,
    more?: { texts?: readonly string[]; positional?: boolean },
  ): Options;
  UsageError: new () => Error;
}>("lib/options.mjs");

const read = (...args: string[]) => readOptions(args, ["latency", "ratio", "body"], { seconds: 4, rounds: 5 });

test("without arguments everything runs, with the defaults", () => {
  assert.deepEqual(read(), { help: false, only: ["latency", "ratio", "body"], given: [], seconds: 4, rounds: 5 });
});

test("measures run in their own order, each once", () => {
  assert.deepEqual(read("--only", "body, latency,body").only, ["latency", "body"]);
});

test("numbers and files are read", () => {
  const options = read("--seconds", "0.5", "--rounds=3", "--json", "a.json", "--baseline", "../old");
  assert.equal(options.seconds, 0.5);
  assert.equal(options.rounds, 3);
  assert.deepEqual(options.given, ["seconds", "rounds"]);
  assert.equal(options.json, "a.json");
  assert.equal(options.baseline, "../old");
  assert.equal(read("--help").help, true);
});

test("what is wrong is told, and what would be right", () => {
  assert.throws(() => read("--only", "latenz"), /there is no measure "latenz"; there are latency, ratio, body/);
  assert.throws(() => read("--only", ""), UsageError);
  for (const value of ["0", "-1", "many", "", "Infinity"])
    assert.throws(() => read(`--seconds=${value}`), /--seconds must be a number above 0, not "/, value);
  assert.throws(() => read("--second", "4"), UsageError);
  assert.throws(() => read("latency"), UsageError);
});

test("where measures are named without an option, they are all that stands there, and other texts are read", () => {
  const named = (...args: string[]) =>
    readOptions(args, ["add", "churn", "idle"], { seconds: 2 }, { texts: ["peers"], positional: true });
  assert.deepEqual(named().only, ["add", "churn", "idle"]);
  assert.deepEqual(named("idle", "--peers", "uws,plinth", "add").only, ["add", "idle"]);
  assert.deepEqual(named("churn,add").only, ["add", "churn"]);
  assert.equal(named("--peers=uws,plinth").peers, "uws,plinth");
  assert.throws(() => named("ad"), /there is no measure "ad"; there are add, churn, idle/);
  assert.throws(() => named("--only", "add"), UsageError);
  assert.throws(() => named("--baseline", "../old"), UsageError);
});
