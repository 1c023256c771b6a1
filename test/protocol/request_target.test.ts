/** What a request target or a Host field names (RFC 9112 §3.2; RFC 3986 §3.2). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { authorityOf, isHost, isHostField } from "../../src/protocol/http1/request_target.ts";

const hosts = [
  "",
  "a",
  "example.com",
  "EXAMPLE.com",
  "a:80",
  "a:",
  "a:00080",
  "192.0.2.1",
  "192.0.2.1:80",
  "999.0.2.1", // then it is a name
  "a_b-c~d.e",
  "!$&'()*+,;=",
  "%41",
  "a%c3%A9b:1",
  "%00%0a",
  "[::]",
  "[::1]",
  "[::1]:80",
  "[::1]:",
  "[1::]",
  "[1:2:3:4:5:6:7:8]",
  "[1:2:3:4:5:6:7::]",
  "[::2:3:4:5:6:7:8]",
  "[1::8]",
  "[ABCD:ef01:2345:6789:abcd:EF01:2345:6789]",
  "[::ffff:192.0.2.1]",
  "[1:2:3:4:5:6:192.0.2.1]",
  "[::0.0.0.0]",
  "[::255.249.199.99]",
  "[v1.a:b]",
  "[vF.a!$&'()*+,;=-._~:]",
];

const noHosts = [
  ":80",
  ":",
  "a b",
  "a/b",
  "/",
  "a?b",
  "a#b",
  "user@a",
  "user:password@a",
  "a:b",
  "a:80:80",
  "a:80a",
  "a:-1",
  "a: 80",
  "a,b:80 ",
  "::1",
  "a%",
  "a%4",
  "a%4g",
  "a%%41",
  "a\\b",
  "a|b",
  'a"b',
  "<a>",
  "a[",
  "a]",
  "\xe9",
  "a\x80",
  "a\0",
  "a\t",
  "[",
  "[]",
  "[::1",
  "::1]",
  "[::1]a",
  "[::1]80",
  "[::1]:a",
  "[[::1]]",
  "[a]",
  "[1:2:3:4:5:6:7]",
  "[1:2:3:4:5:6:7:8:9]",
  "[1:2:3:4:5:6:7:8::]",
  "[::1:2:3:4:5:6:7:8]",
  "[1::2::3]",
  "[:::]",
  "[:1]",
  "[1:]",
  "[12345::]",
  "[g::]",
  "[192.0.2.1]",
  "[::192.0.2]",
  "[::192.0.2.1.1]",
  "[::192.0.2.256]",
  "[::192.0.2.01]",
  "[::192.0.2.1.]",
  "[192.0.2.1::]",
  "[::192.0.2.1:1]",
  "[1:2:3:4:5:6:7:192.0.2.1]",
  "[::1%25eth0]",
  "[::1%eth0]",
  "[v1.]",
  "[v.a]",
  "[vg.a]",
  "[v1.a/b]",
  "[v1a]",
];

describe("a host", () => {
  for (const host of hosts) test(`is ${JSON.stringify(host)}`, () => assert.equal(isHost(host), true));
  for (const text of noHosts) test(`is not ${JSON.stringify(text)}`, () => assert.equal(isHost(text), false));

  test("is the same where it stands in bytes", () => {
    for (const text of [...hosts, ...noHosts]) {
      const bytes = Buffer.from(`:a${text}:1`, "latin1"); // with what could be taken for a part of it around it
      assert.equal(isHostField(bytes, 2, bytes.length - 2), isHost(text), JSON.stringify(text));
    }
  });
});

describe("absolute-form (RFC 9112 §3.2.2)", () => {
  const named: [target: string, authority: string][] = [
    ["http://a", "a"],
    ["http://a/", "a"],
    ["http://a/b/c?d", "a"],
    ["http://a?b", "a"],
    ["http://a?b/c", "a"],
    ["https://a:8443/b", "a:8443"],
    ["HTTP://A.Example/", "A.Example"],
    ["hTTpS://a/", "a"],
    ["http://[::1]:80/b", "[::1]:80"],
    ["http://a:/b", "a:"],
    ["http://a//b//", "a"],
    ["http://a/?http://b/", "a"],
    ["http://a/[]|^?\\`{}", "a"],
  ];
  for (const [target, authority] of named) {
    test(`${target} names ${authority}`, () => assert.equal(authorityOf(target, false), authority));
  }

  const wrong = [
    "",
    "a",
    "a/b",
    "?",
    "**",
    "http:",
    "http:/",
    "http:a",
    "http:/a/",
    "http://", // "a recipient of an http URI with an empty host MUST reject it as invalid" (RFC 9110 §4.2.1)
    "http:///a",
    "http://?a",
    "http://:80/",
    "http://user@a/", // "MUST … treat its presence as an error" (RFC 9110 §4.2.4)
    "http://user:password@a/",
    "http://a:b/",
    "http://a b/",
    "http://[::1/",
    "http://[a]/",
    "http://a%/",
    "ftp://a/",
    "ws://a/",
    "httpx://a/",
    "xhttp://a/",
    "a:80",
    "http://a/\\",
    "http://a/`",
    "http://a/{}",
    "http://a\\b/",
  ];
  for (const target of wrong)
    test(`${JSON.stringify(target)} is refused`, () => assert.equal(authorityOf(target, false), null));
});

describe("authority-form (RFC 9112 §3.2.3)", () => {
  for (const target of ["a:80", "a.example:443", "192.0.2.1:1", "[::1]:80", "a%41:80", "a:65535", "a:080"]) {
    test(`${target} is right`, () => assert.equal(authorityOf(target, true), target));
  }

  // "There is no default port"; "A server MUST reject a CONNECT request that targets an empty or invalid port number"
  // (RFC 9110 §9.3.6)
  const wrong = [
    "",
    "a",
    "a:",
    ":80",
    ":",
    "[::1]",
    "[::1]:",
    "[1:2:3:4:5:6:7:8]",
    "::1",
    "a:b",
    "a:80b",
    "a:65536",
    "a:99999999999999999999",
    "a:8:80",
    "/",
    "/a:80",
    "a:80/",
    "a/b:80",
    "a:80?b",
    "user@a:80",
    "http://a:80",
    "http://a:80/",
    "[::1:80",
    "a b:80",
  ];
  for (const target of wrong)
    test(`${JSON.stringify(target)} is refused`, () => assert.equal(authorityOf(target, true), null));
});
