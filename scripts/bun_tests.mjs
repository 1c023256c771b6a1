// What `bun test` is told before it runs anything (bunfig.toml): a test may take as long as under Node's runner.
import { readFileSync } from "node:fs";
import { plugin } from "bun";

// Bun forgets it behind each file, so each file says it, in its first line: the numbers of lines stay as they are.
const PATIENCE = 'import { setDefaultTimeout as tell } from "bun:test"; tell(120_000);';

plugin({
  name: "patience",
  setup(build) {
    build.onLoad({ filter: /\.test\.ts$/ }, ({ path }) => ({
      loader: "ts",
      contents: `${PATIENCE} ${readFileSync(path, "utf8")}`,
    }));
  },
});
