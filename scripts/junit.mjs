// Reads the reports that Bun and Deno write of their tests, in JUnit's XML.

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function decode(text) {
  return text.replace(/&(?:#(x?)([0-9a-f]+)|([a-z]+));/gi, (all, hex, digits, name) =>
    digits ? String.fromCodePoint(parseInt(digits, hex ? 16 : 10)) : (ENTITIES[name] ?? all),
  );
}

function attributesOf(text) {
  return Object.fromEntries([...text.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, name, value]) => [name, decode(value)]));
}

/**
 * @param {string} xml
 * @returns {{ file: string, name: string, status: "passed" | "failed" | "skipped", text: string }[]} each test by its full name: those
 *   of the suites that it is in, and its own, with " > " between. A file is as the runtime calls it.
 */
export function readJunit(xml) {
  const found = [];
  const suites = [];
  let test = null;
  let from = 0;
  for (const { 0: tag, 1: close, 2: name, 3: rest, index } of xml.matchAll(/<(\/?)([\w?]+)((?:[^>"]|"[^"]*")*)>/g)) {
    const isEmpty = rest.endsWith("/");
    if (name === "testsuite") {
      if (close) suites.pop();
      else if (!isEmpty) suites.push(attributesOf(rest));
    } else if (name === "testcase" && !close) {
      const of = attributesOf(rest);
      const file = of.file ?? suites[0]?.file ?? suites[0]?.name ?? "";
      // The outermost suite is the file.
      const names = [...suites.slice(1).map((suite) => suite.name), of.name];
      test = { file, name: names.join(" > "), status: "passed", text: "" };
      found.push(test);
      if (isEmpty) test = null;
    } else if (name === "testcase") {
      test = null;
    } else if (test !== null && (name === "failure" || name === "error")) {
      test.status = "failed";
      if (close) test.text += decode(xml.slice(from, index));
      else {
        test.text = attributesOf(rest).message ?? "";
        from = index + tag.length;
      }
    } else if (test !== null && name === "skipped" && !close) {
      test.status = "skipped";
    }
  }
  return found;
}
