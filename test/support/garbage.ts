/** Collects garbage when a test says so: what is held weakly alone is gone behind it. */
import v8 from "node:v8";
import vm from "node:vm";

/** Collects all the garbage that there is. */
export const collectGarbage: () => void = find();

function find(): () => void {
  const { Bun } = globalThis as { Bun?: { gc(force: boolean): void } };
  if (Bun !== undefined) return () => Bun.gc(true);
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc") as () => void;
}
