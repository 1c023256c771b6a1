// The requests that workloads send, made beforehand: each with the sum that its response must have.

/**
 * @typedef {object} Exchange
 * @property {Uint8Array} bytes a whole request, or several that are sent at once
 * @property {readonly number[]} sums what each of its responses must say
 */

const JSON_TYPE = ["Content-Type", "application/json"];

/**
 * The bytes of a request.
 * @param {{ method?: string, path?: string, fields?: readonly (readonly [string, string])[], body?: string | Uint8Array }} what `fields`: all but
 * Content-Length, in their order
 */
export function bytesOf({ method = "GET", path = "/", fields = [["Host", "127.0.0.1"]], body }) {
  const all = body === undefined ? fields : [...fields, ["Content-Length", String(Buffer.byteLength(body))]];
  const head = `${method} ${path} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return body === undefined ? Buffer.from(head) : Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}

const sumBody = (a, b) => `{"val_a":${a},"val_b":${b}}`;

/** POST / with a small head, as an API's client sends it. @returns {Exchange} */
export function addition(more = []) {
  const fields = [["Host", "127.0.0.1"], ...more, JSON_TYPE];
  return { bytes: bytesOf({ method: "POST", fields, body: sumBody(3, 4) }), sums: [7] };
}

/** The same exchange so many times in one piece. @returns {Exchange} */
export function pipeline({ bytes, sums }, depth) {
  const times = Array.from({ length: depth }, () => bytes);
  return { bytes: Buffer.concat(times), sums: times.flatMap(() => sums) };
}

/** What a browser sends along: about 600 bytes with the request line. */
const BROWSER = [
  ["Host", "127.0.0.1"],
  ["Connection", "keep-alive"],
  ["Cache-Control", "max-age=0"],
  ["sec-ch-ua", '"Chromium";v="142", "Not_A Brand";v="99"'],
  ["sec-ch-ua-mobile", "?0"],
  ["Upgrade-Insecure-Requests", "1"],
  [
    "User-Agent",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  ],
  ["Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"],
  ["Sec-Fetch-Site", "none"],
  ["Sec-Fetch-Mode", "navigate"],
  ["Sec-Fetch-User", "?1"],
  ["Sec-Fetch-Dest", "document"],
  ["Accept-Encoding", "gzip, deflate, br, zstd"],
  ["Accept-Language", "en-US,en;q=0.9,de;q=0.8"],
];

/** GET with the operands in the path, as a browser asks. @returns {Exchange} */
export function browserRequest() {
  return { bytes: bytesOf({ path: "/val_a/3/val_b/4", fields: BROWSER }), sums: [7] };
}

/** Numbers from 0 to below 1 that are the same in each run (a linear congruence modulo 2^32; the upper bits are good enough to choose by). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const agents = [
  (n) => `Mozilla/5.0 (X11; Linux x86_64; rv:${120 + n}.0) Gecko/20100101 Firefox/${120 + n}.0`,
  (n) =>
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${110 + n}.0.0.0 Safari/537.36`,
  (n) => `curl/8.${n}.0`,
  (n) => `python-requests/2.${n}.1`,
  (n) => `okhttp/4.${n}.0`,
];
const languages = [
  "en-US,en;q=0.9",
  "de-DE,de;q=0.9,en;q=0.5",
  "ja",
  "pt-BR,pt;q=0.8",
  "fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5",
];
const accepts = [
  "*/*",
  "application/json",
  "application/json, text/plain, */*",
  "text/html,application/json;q=0.9,*/*;q=0.8",
];

/**
 * Requests of many clients: each has a target, field values and an order of fields of its own, names as browsers write them or in lower case,
 * and every other one is a POST. No two are alike, and they are the same in every run.
 * @returns {Exchange[]}
 */
export function variedRequests(count, seed = 1) {
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  const one = (list) => list[below(list.length)];
  const hex = (digits) => Array.from({ length: digits }, () => below(16).toString(16)).join("");
  const made = new Map();
  while (made.size < count) {
    const a = below(100_000);
    const b = below(100_000);
    const posts = made.size % 2 === 1;
    const fields = [
      ["Host", "127.0.0.1"],
      ["User-Agent", one(agents)(below(40))],
      ["Accept", one(accepts)],
    ];
    if (posts) fields.push(JSON_TYPE);
    if (below(2) === 0) fields.push(["Accept-Language", one(languages)]);
    if (below(2) === 0) fields.push(["Accept-Encoding", "gzip, deflate, br"]);
    if (below(3) === 0) fields.push(["Cookie", `session=${hex(32)}; theme=${one(["dark", "light"])}`]);
    if (below(3) === 0) fields.push(["X-Request-Id", hex(24)]);
    if (below(4) === 0) fields.push(["Authorization", `Bearer ${hex(40 + below(80))}`]);
    if (below(4) === 0) fields.push(["Traceparent", `00-${hex(32)}-${hex(16)}-01`]);
    for (let i = fields.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [fields[i], fields[j]] = [fields[j], fields[i]];
    }
    const lower = below(2) === 0;
    const named = fields.map(([name, value]) => [lower ? name.toLowerCase() : name, value]);
    const bytes = posts
      ? bytesOf({ method: "POST", fields: named, body: sumBody(a, b) })
      : bytesOf({ path: `/val_a/${a}/val_b/${b}`, fields: named });
    made.set(bytes.toString("latin1"), { bytes, sums: [a + b] });
  }
  return [...made.values()];
}

/** The longest field that `grownHead` makes: many short ones and few long ones are both common, and both cost. */
const FIELD = 350;

/** The addition with so long a head, in bytes: fields that nobody asks for stand behind its own. @returns {Exchange} */
export function grownHead(size) {
  const { bytes } = addition();
  let left = size - (bytes.length - sumBody(3, 4).length);
  const more = [];
  while (left > 0) {
    const name = `X-Field-${String(more.length).padStart(2, "0")}`;
    const around = `${name}: \r\n`.length;
    // What is left behind this one is nothing, or has room for one more.
    const length = left <= FIELD ? left : Math.min(FIELD, left - around - 1);
    if (length <= around) break;
    more.push([name, "v".repeat(length - around)]);
    left -= length;
  }
  if (left !== 0) throw new RangeError(`a head of ${size} bytes is too short`);
  return addition(more);
}

/** An upload of so many bytes; its response says how many came. */
export function upload(size) {
  const fields = [
    ["Host", "127.0.0.1"],
    ["Content-Type", "application/octet-stream"],
  ];
  return {
    bytes: bytesOf({ method: "POST", path: "/upload", fields, body: Buffer.alloc(size, "u") }),
    lengths: [size],
  };
}
