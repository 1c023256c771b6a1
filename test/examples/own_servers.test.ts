/** The table in README.md that compares Plinth with each runtime's own server: every cell is asked of the server that it is about. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { until } from "../server/support.ts";
import { programFile, root } from "../support/places.ts";
import { readResponses } from "../support/responses.ts";
import { runtime } from "../support/runtime.ts";
import { BUSY_TIME } from "./own_servers/respond.ts";
import { type Program, startProgram } from "./programs.ts";
import { thoroughly } from "../support/thorough.ts";

/** The rows of the table, by the server's name: what each cell says. */
const rows = new Map(
  [...readFileSync(path.join(root, "README.md"), "utf8").matchAll(/^\| (.*) \|$/gm)]
    .map(([, row]) =>
      row
        .replaceAll("**", "")
        .split("|")
        .map((text) => text.trim()),
    )
    .filter(({ length }) => length === 4)
    .map(([server, ...cells]) => [/^[\w:.]+/.exec(server)?.[0] ?? "", cells]),
);

/** Sends a request over a connection of its own. @returns its response's status and content; null where the connection just closes */
async function ask(program: Program, head: string, content = ""): Promise<string | null> {
  const socket = net.connect(program.port, "127.0.0.1");
  socket.write(
    `${head} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${content.length}\r\n\r\n${content}`,
  );
  let heard = "";
  try {
    for await (const data of socket) heard += String(data);
  } catch {
    // A reset says no more than an end does.
  }
  if (heard === "") return null;
  const [{ status, body }] = readResponses(heard, [head.slice(0, head.indexOf(" "))], true, "any server");
  return `${status} ${body}`;
}

/** In the words of the table. */
function cell(response: string | null, right: string): string {
  if (response === null) return "closes the connection";
  return response === `200 ${right}` ? "works" : response.slice(0, 3);
}

for (const [file, name] of [
  ["plinth", "Plinth"],
  [runtime, { node: "node:http", bun: "Bun.serve", deno: "Deno.serve" }[runtime]],
]) {
  // The short run leaves out the other servers: what they do does not depend on this project.
  (name === "Plinth" ? test : thoroughly(test))(`README's table is right about ${name}`, async (t) => {
    const said = rows.get(name);
    assert.ok(said !== undefined, `README.md has no row for ${name}`);
    const program = await startProgram(t, programFile(`test/examples/own_servers/${file}`));
    const content = JSON.stringify({ val_a: 3, val_b: 4 });
    assert.equal(cell(await ask(program, "GET /", content), JSON.stringify({ sum: 7 })), said[0], "GET with content");
    assert.equal(cell(await ask(program, "RICKROLL /"), "RICKROLL"), said[1], "RICKROLL");

    let busy = true;
    const computing = ask(program, "GET /busy").finally(() => (busy = false));
    await until(() => program.log().includes("computes"), "the handler that computes");
    const begun = performance.now();
    assert.equal(await ask(program, "GET /other"), "200 GET");
    const delays = performance.now() - begun > BUSY_TIME / 2;
    assert.equal(delays, !busy, "a request either waits for the one that computes, or passes it");
    assert.equal(
      delays ? "delays every other request" : "delays no other, in threads",
      said[2],
      "a handler that computes",
    );
    assert.equal(await computing, "200 GET");
  });
}

interface Measure {
  readonly name: string;
  readonly goals: readonly { readonly what: string; readonly figure: string }[];
  readonly data: {
    readonly rows: readonly {
      readonly peer: string;
      readonly variant: string;
      readonly runtime: string;
      readonly perSecond: { readonly median: number };
    }[];
  };
}

test("the figures on README's first screen are those of the benchmark", async (t) => {
  const flat = (file: string): string => readFileSync(path.join(root, file), "utf8").replaceAll(/\s+/g, " ");
  const readme = flat("README.md");
  const { measures } = JSON.parse(readFileSync(path.join(root, "bench/results/bench.json"), "utf8")) as {
    measures: Measure[];
  };
  const add = measures.find(({ name }) => name === "add")!;

  await t.test("the event loop's", () => {
    const ours = add.data.rows.find(
      ({ peer, variant, runtime }) => peer === "plinth" && variant === "bare" && runtime.startsWith("Node 26"),
    )!;
    const times = (other: RegExp): string =>
      add.goals.find(({ what }) => what.startsWith("requests/s, Plinth, a synchronous handler") && other.test(what))!
        .figure;
    const [, figure, toNode, toUws] =
      /([\d,]+) additions a second[^.]*\. That is ([\d.]+) times node:http and ([\d.]+) times uWebSockets\.js/.exec(
        readme,
      )!;
    assert.equal(figure, Math.round(ours.perSecond.median).toLocaleString("en-US"));
    assert.equal(`${toNode} x`, times(/ to node:http \(Node 26/));
    assert.equal(`${toUws} x`, times(/ to µWebSockets\.js/));
  });

  await t.test("the threads'", () => {
    const [, ours, least, most] = /rises by ([\d.]+) ms\. .*? by ([\d.]+) to ([\d.]+) s/.exec(readme)!;
    const [, cells] = /\| `latency` +\| ([^|]*)\|/.exec(
      flat("bench/README.md").split("### What was measured").at(-1)!,
    )!;
    assert.ok(
      cells.startsWith(`+${ours} ms `) && cells.includes(`Fastify, Hono, Express, Bun: +${least} s to +${most} s`),
      cells,
    );
  });

  await t.test("the corpora's", () => {
    const files = [...flat("test/conformance/README.md").matchAll(/\| `[\w-]+\.json` +\| ([\d,]+) +\|/g)];
    const count = files.reduce((sum, [, number]) => sum + Number(number.replaceAll(",", "")), 0);
    assert.match(readme, new RegExp(`${count.toLocaleString("en-US")} (?:well-formed|requests)`));
  });
});
