// npm run bench -- profile WORKLOAD: which workload, and which server. What comes of it is profile.mjs's.
import { choosePeers, readPeers } from "./choice.mjs";
import { readOptions, UsageError } from "./options.mjs";
import { overTls, peers } from "./peers.mjs";
import { killAllAtExit, stopAll } from "./processes.mjs";
import { profile } from "./profile.mjs";

/**
 * @param {string} command as users type it
 * @param {readonly object[]} measures those that have `putOn` can be profiled
 * @param {readonly string[]} args what stands behind the command
 * @param {(options: object) => void} check throws a UsageError
 * @returns the exit status
 */
export async function profileWorkload(command, measures, args, check) {
  const able = measures.filter(({ putOn }) => putOn !== undefined);
  const names = able.map(({ name }) => name);
  let workload;
  let peer;
  let options;
  try {
    options = readOptions(args, names, { seconds: 5 }, { texts: ["peers", "out"], positional: true });
    check(options);
    if (options.help) {
      console.log(`${command} WORKLOAD [--peers PEER] [--seconds N] [--out FOLDER]\n\nWorkloads: ${names.join(", ")}`);
      return 0;
    }
    if (options.only.length !== 1 || args.length === 0)
      throw new UsageError(`one workload is wanted: ${names.join(", ")}`);
    workload = able.find(({ name }) => name === options.only[0]);
    peer = choosePeer(options.peers ?? "plinth-post@node26,plinth-post", workload.tls ? ["tls"] : []);
    if (workload.tls) peer = overTls(peer);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n${command} --help`);
    return 2;
  }
  killAllAtExit();
  try {
    await profile({ workload: workload.name, peer, seconds: options.seconds, out: options.out, run: workload.putOn });
    return 0;
  } finally {
    await stopAll();
  }
}

/** The first that is there and runs on Node, which writes the profile. */
function choosePeer(text, serves) {
  const peer = readPeers(text)
    .flatMap((name) => choosePeers(peers, { serves }, [name]))
    .find(({ command, runtime }) => command !== undefined && runtime.startsWith("node"));
  if (peer === undefined) throw new UsageError(`none of ${text} is there and runs on Node`);
  return peer;
}
