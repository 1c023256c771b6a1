// Reads the reports that Bun and Deno write of their tests, in JUnit's XML.
import { parseXml } from "@rgrove/parse-xml";

/**
 * @param {string} xml
 * @returns {{ file: string, name: string, status: "passed" | "failed" | "skipped", text: string }[]} each test by its full name: those
 *   of the suites that it is in, and its own, with " > " between. A file is as the runtime calls it.
 */
export function readJunit(xml) {
  if (xml === "") return []; // the runtime ended before it wrote one
  // Both runtimes leave out what XML does not allow, but for these two characters.
  const { root } = parseXml(xml.replace(/[\uFFFE\uFFFF]/g, "\uFFFD"));
  // The outermost suite is the file.
  return elementsIn(root, "testsuite").flatMap((suite) => testsIn(suite, suite.attributes, []));
}

function testsIn(suite, file, names) {
  const tests = elementsIn(suite, "testcase").map((test) => {
    const [failure] = [...elementsIn(test, "failure"), ...elementsIn(test, "error")];
    return {
      file: test.attributes.file ?? file.file ?? file.name,
      name: [...names, test.attributes.name].join(" > "),
      status: failure ? "failed" : elementsIn(test, "skipped").length > 0 ? "skipped" : "passed",
      text: failure ? failure.text || failure.attributes.message || "" : "",
    };
  });
  const inner = elementsIn(suite, "testsuite").flatMap((one) => testsIn(one, file, [...names, one.attributes.name]));
  return [...tests, ...inner];
}

function elementsIn(parent, name) {
  return parent.children.filter((child) => child.type === "element" && child.name === name);
}
