/** A certificate for trying: self-signed, made here. Its form is X.509 (RFC 5280) in DER (ITU-T X.690). */
import { Buffer } from "node:buffer";
import { nodeCrypto } from "../runtime/lazy_modules.ts";
import { isIP } from "node:net";

/** A self-signed certificate and its private key. */
export interface SelfSignedCertificate {
  /** The certificate, as PEM. */
  readonly cert: string;
  /** The private key, as PEM. */
  readonly key: string;
  /** The SHA-256 fingerprint, as browsers show it: "AB:CD:…". */
  readonly fingerprint: string;
}

/** How long a certificate is valid, in days. It is made anew at each start. */
const DAYS = 90;
const DAY = 24 * 60 * 60 * 1000;

/**
 * Makes a certificate with a key on the curve P-256. Clients trust it only if they are told to.
 * @param names host names, and IPv4 and IPv6 addresses
 */
export function selfSignedCertificate(names: readonly string[]): SelfSignedCertificate {
  const { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } = nodeCrypto();
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const now = Date.now();
  const name = sequence(tlv(SET, sequence(oid("2.5.4.3"), tlv(UTF8_STRING, Buffer.from("Plinth self-signed")))));
  const spki = publicKey.export({ type: "spki", format: "der" });
  // It tells certificates with one name apart, where a client trusts several.
  const keyId = createHash("sha256").update(spki).digest().subarray(0, 20);
  const algorithm = sequence(oid("1.2.840.10045.4.3.2")); // ecdsa-with-SHA256 (RFC 5758)
  const extensions = [
    extension("2.5.29.19", sequence(), true), // basicConstraints: no authority
    extension("2.5.29.15", bits(0x80), true), // keyUsage: digitalSignature
    extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2"))), // extKeyUsage: serverAuth, clientAuth
    extension("2.5.29.14", tlv(OCTET_STRING, keyId)), // subjectKeyIdentifier
    extension("2.5.29.35", sequence(tlv(KEY_IDENTIFIER, keyId))), // authorityKeyIdentifier
    extension("2.5.29.17", sequence(...names.map(generalName))), // subjectAltName
  ];
  const certificate = sequence(
    tlv(EXPLICIT, tlv(INTEGER, Buffer.from([2]))), // version 3
    tlv(INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(15)])), // the serial number, positive
    algorithm,
    name,
    sequence(time(now - DAY), time(now + DAYS * DAY)), // a client's clock may be behind
    name,
    spki,
    tlv(EXPLICIT + 3, sequence(...extensions)),
  );
  const signature = sign("sha256", certificate, privateKey);
  const der = sequence(certificate, algorithm, tlv(BIT_STRING, Buffer.concat([Buffer.from([0]), signature])));
  const parsed = new X509Certificate(der);
  const key = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  return { cert: parsed.toString(), key, fingerprint: parsed.fingerprint256 };
}

// Tags
const BOOLEAN = 0x01;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const GENERALIZED_TIME = 0x18;
const UTC_TIME = 0x17;
const SEQUENCE = 0x30;
const SET = 0x31;
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;
const KEY_IDENTIFIER = 0x80;
const EXPLICIT = 0xa0;

/** A tag, the length of the content, and the content. */
function tlv(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: Uint8Array[]): Buffer {
  return tlv(SEQUENCE, ...parts);
}

/** One byte of bits, of which the last ones may be unused. */
function bits(byte: number): Buffer {
  const unused = 31 - Math.clz32(byte & -byte);
  return tlv(BIT_STRING, Buffer.from([unused, byte]));
}

function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  const bytes = [40 * first + second];
  for (const number of rest) {
    const groups = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) groups.unshift(0x80 | (left & 0x7f));
    bytes.push(...groups);
  }
  return tlv(OBJECT_IDENTIFIER, Buffer.from(bytes));
}

/** A time: until 2049 with two digits of the year (RFC 5280 §4.1.2.5). */
function time(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replace(/\.\d+|[-:T]/g, "");
  const isShort = digits < "2050";
  return tlv(isShort ? UTC_TIME : GENERALIZED_TIME, Buffer.from(isShort ? digits.slice(2) : digits));
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  const critical = isCritical ? [tlv(BOOLEAN, Buffer.from([0xff]))] : [];
  return sequence(oid(id), ...critical, tlv(OCTET_STRING, value));
}

function generalName(name: string): Buffer {
  // A zone, as in "fe80::1%eth0", has a meaning on one machine only. "10.1" is short for 10.0.0.1.
  const [unzoned] = name.split("%");
  const address = isIP(unzoned) === 0 ? hostOf(unzoned) : unzoned;
  const version = isIP(address);
  if (version === 0) return tlv(DNS_NAME, Buffer.from(address, "ascii"));
  return tlv(IP_ADDRESS, version === 4 ? Buffer.from(address.split(".").map(Number)) : ipv6(address));
}

/** A host in the form in which clients look for it: "xn--…" for one that is not ASCII, all four numbers of an IPv4 address. */
function hostOf(name: string): string {
  try {
    return new URL(`http://${name}/`).hostname;
  } catch {
    return name;
  }
}

function ipv6(address: string): Buffer {
  // A URL writes an address in its shortest form, in which an IPv4 tail is hexadecimal, too.
  const [head, tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const groups = (text: string | undefined): number[] =>
    text === undefined || text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [before, behind] = [groups(head), groups(tail)];
  const all = [...before, ...new Array<number>(8 - before.length - behind.length).fill(0), ...behind];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
