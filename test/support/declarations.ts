/** Reads the declarations that tsc has written into dist/: the names that a file exports, and the members of each. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "./places.ts";

/** A member of a class or an interface, private ones excepted. */
export interface Member {
  readonly name: string;
  /** Whether it is one of every object, and not for classes that extend it alone. */
  readonly isPublic: boolean;
}

/** What a file of declarations says of one name. */
export interface Declaration {
  readonly name: string;
  /** Classes and interfaces that it extends or implements. */
  readonly bases: readonly string[];
  readonly members: readonly Member[];
}

/** What a file exports from others, by "*" or by name. */
interface ReExport {
  readonly from: string;
  readonly names: readonly string[] | "*";
}

interface Declarations {
  readonly own: ReadonlyMap<string, Declaration>;
  readonly reExports: readonly ReExport[];
}

const DECLARED =
  /^export (?:declare )?(?:abstract )?(?:class|interface|type|function|const|let) ([\w$]+)(?:<[^{]*?>)?(?: (?:extends|implements) ([^{]+))?/;
const MEMBER =
  /^(?:(?:readonly|static|abstract|declare|get|set|async|protected|private) )*([\w$]+|"[^"]+"|\[[^\]]+\]|#private)/;

/** Reads declarations as tsc writes them: a statement begins its line, a member stands four spaces in. */
export function read(text: string): Declarations {
  const own = new Map<string, { name: string; bases: string[]; members: Member[] }>();
  const reExports: ReExport[] = [];
  let open: { bases: string[]; members: Member[] } | null = null;
  let isComment = false;
  for (const line of text.split("\n")) {
    const bare = line.trim();
    if (isComment || bare.startsWith("/**")) {
      isComment = !bare.endsWith("*/");
      continue;
    }
    if (bare === "") continue;
    const indent = line.length - line.trimStart().length;
    if (indent === 0) {
      const [, names, all, from] = /^export (?:type )?(?:\{([^}]*)\}|(\*)) from "([^"]+)"/.exec(line) ?? [];
      if (from !== undefined) {
        const each = (names ?? "").split(",").map((name) => name.trim().replace(/^type /, ""));
        reExports.push({ from, names: all === undefined ? each.filter((name) => name !== "") : "*" });
      }
      const [, name, bases = ""] = DECLARED.exec(line) ?? [];
      open = null;
      if (name !== undefined) {
        const known = own.get(name); // of a function with several signatures, the first is enough
        const found = {
          name,
          bases: bases
            .replace(/ implements /, ",")
            .split(",")
            .map((base) => base.trim().replace(/<.*/, "")),
          members: known?.members ?? [],
        };
        own.set(name, found);
        if (line.endsWith("{") && !line.startsWith("export type ")) open = found;
      }
    } else if (indent === 4 && open !== null) {
      const name = MEMBER.exec(bare)?.[1];
      if (name !== undefined && name !== "#private" && !bare.startsWith("private ")) {
        const isPublic = !/^(?:static|protected) |^constructor\(|^new \(/.test(bare);
        open.members.push({ name, isPublic });
      }
    }
  }
  return { own, reExports };
}

const files = new Map<string, Declarations>();

function fileOf(name: string): Declarations {
  let declarations = files.get(name);
  if (declarations === undefined)
    files.set(name, (declarations = read(readFileSync(path.join(root, "dist/src", name), "utf8"))));
  return declarations;
}

/** Everything that a file exports, its own and others', by name. */
export function exportsOf(file: string): Map<string, Declaration> {
  const { own, reExports } = fileOf(file);
  const found = new Map(own);
  for (const { from, names } of reExports) {
    const there = exportsOf(path.posix.join(path.posix.dirname(file), from.replace(/\.[jt]s$/, ".d.ts")));
    for (const name of names === "*" ? there.keys() : names) {
      const declaration = there.get(name);
      assert.ok(declaration !== undefined, `${file} exports ${name} from ${from}, where this reader does not see it`);
      found.set(name, declaration);
    }
  }
  return found;
}
