// What the microbenchmarks read: some hundreds of different messages each, so that no cache of what came before helps.

const HOW_MANY = 512;
/** Chunks in a message. */
export const CHUNKS = 16;

/** The same numbers every time, from 0 to below 1. @param {number} seed */
export function numbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** One behind the other, as in a connection's buffer, and where each ends. */
function together(texts) {
  const bytes = Buffer.from(texts.join(""), "latin1");
  let at = 0;
  return { bytes, ends: texts.map((text) => (at += text.length)) };
}

/** What wrk sends, about 100 bytes. @param {{ withContent?: boolean }} how whether the content stands behind each */
export function smallHeads({ withContent = false } = {}) {
  const next = numbers(1);
  return together(
    Array.from({ length: HOW_MANY }, () => {
      const body = `{"val_a":${Math.floor(next() * 1e5)},"val_b":${Math.floor(next() * 1e5)}}`;
      const host = `127.0.0.1:${30_000 + Math.floor(next() * 30_000)}`;
      const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
      return withContent ? head + body : head;
    }),
  );
}

/** What a browser sends, about 600 bytes. */
export function browserHeads() {
  const next = numbers(2);
  const upTo = (n) => Math.floor(next() * n);
  const hex = () =>
    upTo(2 ** 24)
      .toString(16)
      .padStart(6, "0");
  return together(
    Array.from({ length: HOW_MANY }, () =>
      [
        `GET /val_a/${upTo(1e5)}/val_b/${upTo(1e5)} HTTP/1.1`,
        `Host: localhost:${30_000 + upTo(30_000)}`,
        "Connection: keep-alive",
        `sec-ch-ua: "Chromium";v="${120 + upTo(30)}", "Not?A_Brand";v="${8 + upTo(90)}"`,
        "sec-ch-ua-mobile: ?0",
        `sec-ch-ua-platform: "${["Linux", "Windows", "macOS"][upTo(3)]}"`,
        "Upgrade-Insecure-Requests: 1",
        `User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${120 + upTo(30)}.0.0.0 Safari/537.36`,
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Sec-Fetch-Site: none",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: document",
        "Accept-Encoding: gzip, deflate, br, zstd",
        `Accept-Language: en-US,en;q=0.${upTo(9) + 1}`,
        `Cookie: session=${hex()}${hex()}${hex()}; theme=${["light", "dark"][upTo(2)]}`,
        "",
        "",
      ].join("\r\n"),
    ),
  );
}

/** Contents in the chunked coding, sixteen chunks of about 1 KiB each. */
export function chunkedContent() {
  const next = numbers(3);
  return Array.from({ length: 32 }, () => {
    const chunks = Array.from({ length: CHUNKS }, () => {
      const size = 960 + Math.floor(next() * 128);
      return `${size.toString(16)}\r\n${"c".repeat(size)}\r\n`;
    });
    return Buffer.from(`${chunks.join("")}0\r\n\r\n`, "latin1");
  });
}
