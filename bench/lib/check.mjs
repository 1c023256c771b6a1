// Whether a server's responses are right: statuses, types and contents of a sample, before anything is counted and after it.
import { converse } from "../load/conversation.mjs";

/** Exchanges that are tried of a workload that has many. */
const SAMPLE = 64;

/**
 * @param {{ port: number, ca?: string }} server `ca`: it speaks TLS, and has this certificate
 * @param {readonly { bytes: Uint8Array, sums?: readonly number[], lengths?: readonly number[] }[]} exchanges
 * @param {boolean} ends the server must end the connection behind each
 * @returns the mean length of a response, in bytes, with its head
 * @throws {Error} says which response was wrong
 */
export async function checkResponses(server, exchanges, ends = false) {
  const step = Math.max(1, Math.floor(exchanges.length / SAMPLE));
  const sample = exchanges.filter((_, i) => i % step === 0);
  const wanted = sample.map(wantedOf);
  const responses = await converse(
    server.port,
    sample.map(({ bytes }, i) => ({ bytes, count: wanted[i].length })),
    ends,
    server.ca,
  );
  const all = wanted.flat();
  responses.forEach((response, i) => {
    const why = fault(response, all[i]);
    if (why !== undefined) throw new Error(why);
  });
  return responses.reduce((sum, { length }) => sum + length, 0) / responses.length;
}

/** What each response of an exchange must say. */
function wantedOf({ sums, lengths }) {
  return sums === undefined ? lengths.map((length) => ({ length })) : sums.map((sum) => ({ sum }));
}

/** What is wrong with a response: it must be 200, JSON, and say this and nothing else. */
export function fault({ status, type, body }, wanted) {
  const told = `it has responded ${status} ${JSON.stringify(body.slice(0, 80))} where 200 ${JSON.stringify(wanted)} was right`;
  if (status !== 200) return told;
  if (!/^application\/json\b/i.test(type))
    return `its response is of type ${JSON.stringify(type)}, not application/json`;
  try {
    const said = JSON.parse(body);
    const names = Object.keys(wanted);
    return Object.keys(said).length === names.length && names.every((name) => said[name] === wanted[name])
      ? undefined
      : told;
  } catch {
    return told;
  }
}
