// Which peers take part. They are named by patterns: NAME (all its variants), NAME-VARIANT, and either with @RUNTIME behind it. One that is
// a guest on its runtime is meant only where that is said.

/** Whether a pattern means this peer. */
export function isMeant(peer, pattern) {
  const [who, runtime] = pattern.split("@");
  if (runtime === undefined ? peer.guest === true : runtime !== peer.runtime) return false;
  return who === peer.name || who === `${peer.name}-${peer.variant}`;
}

const isMeantByAny = (peer, patterns) => patterns.some((pattern) => isMeant(peer, pattern));

/**
 * The peers of a workload, in their own order.
 * @param {readonly object[]} peers all that there are
 * @param {{ field?: readonly string[], serves: readonly string[] }} workload `field`: who takes part where nobody is named (all, when left
 * out); `serves`: what they must serve
 * @param {readonly string[] | undefined} named by --peers: those of the field that it means; of a name that means none of them, all that serve it
 */
export function choosePeers(peers, { field, serves }, named) {
  const able = peers.filter((peer) => serves.every((route) => peer.serves.has(route)));
  const usual = able.filter((peer) => (field === undefined ? peer.guest !== true : isMeantByAny(peer, field)));
  if (named === undefined) return usual;
  const wanted = new Set();
  for (const name of named) {
    const those = usual.filter((peer) => isMeant(peer, name));
    for (const peer of those.length > 0 ? those : able.filter((one) => isMeant(one, name))) wanted.add(peer);
  }
  return peers.filter((peer) => wanted.has(peer));
}

/** What --peers says, as patterns. Undefined where it is not given. */
export function readPeers(text) {
  return text?.split(",").map((name) => name.trim());
}

/** The first pattern that means nobody, if there is one. */
export function unknownPeer(peers, named) {
  return named.find((pattern) => !peers.some((peer) => isMeant(peer, pattern)));
}
