// A second verifier of checkpoints and proofs, that shares nothing with the first: written from RFC 6962 §2.1, RFC 9162 §2.1.3.2
// and §2.1.4.2, and from signed-note, tlog-checkpoint and tlog-proof of C2SP. Needs Node.js and nothing else.
//
// stdin: JSON, [{"kind": "checkpoint" | "inclusion" | "consistency", "key": a verifier key, "file": base64, "kept": base64, a
// checkpoint, of consistency alone}]; stdout: JSON, for each {"size"} and for inclusion {"entry"}, or {"refused": why}.
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const leafHash = (entry) => sha256(Buffer.of(0), entry);
const nodeHash = (left, right) => sha256(Buffer.of(1), left, right);

function must(holds, why) {
  if (!holds) throw new Error(why);
}

function base64(text) {
  const bytes = Buffer.from(text, "base64");
  must(text !== "" && bytes.toString("base64") === text, "not base64");
  return bytes;
}

function number(text) {
  must(/^(0|[1-9][0-9]{0,15})$/.test(text) && Number.isSafeInteger(Number(text)), "not a number");
  return BigInt(text);
}

function textOf(bytes) {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

// signed-note: a verifier key is name+id+base64(type || key).
function readKey(line) {
  const [name, id, ...rest] = line.split("+");
  const bytes = base64(rest.join("+"));
  must(bytes[0] === 2, "not a key of type 0x02");
  const der = bytes.subarray(1);
  must(sha256(der).subarray(0, 4).toString("hex") === id, "another key's id");
  return { name, id, key: createPublicKey({ key: der, format: "der", type: "spki" }) };
}

// signed-note and tlog-checkpoint: the text, verified; its origin, size and root.
function openCheckpoint(note, key) {
  const end = note.lastIndexOf("\n\n");
  must(end >= 0 && note.endsWith("\n"), "not a note");
  const text = note.slice(0, end + 1);
  let signed = false;
  for (const line of note.slice(end + 2, -1).split("\n")) {
    const match = /^\u2014 ([^\s+]+) ([^ ]+)$/u.exec(line);
    must(match, "not a line of a signature");
    const bytes = base64(match[2]);
    must(bytes.length > 4, "a signature too short");
    if (match[1] !== key.name || bytes.subarray(0, 4).toString("hex") !== key.id) continue;
    must(verify("sha256", Buffer.from(text), { key: key.key, dsaEncoding: "der" }, bytes.subarray(4)), "not signed");
    signed = true;
  }
  must(signed, "no known key has signed it");
  const [origin, size, root] = text.split("\n");
  must(origin === key.name, "another log");
  const hash = base64(root);
  must(hash.length === 32, "not a root");
  return { size: number(size), root: hash };
}

// RFC 9162 §2.1.3.2
function isIncluded(hash, index, size, path, root) {
  if (index >= size) return false;
  let fn = index, sn = size - 1n, r = hash;
  for (const p of path) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      r = nodeHash(p, r);
      while ((fn & 1n) === 0n && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
    } else {
      r = nodeHash(r, p);
    }
    fn >>= 1n; sn >>= 1n;
  }
  return sn === 0n && r.equals(root);
}

// RFC 9162 §2.1.4.2; of two sizes that are the same, the roots are.
function isConsistent(first, firstRoot, second, secondRoot, proof) {
  if (first === second) return proof.length === 0 && firstRoot.equals(secondRoot);
  if (first === 0n || first > second || proof.length === 0) return false;
  const path = (first & (first - 1n)) === 0n ? [firstRoot, ...proof] : proof;
  let fn = first - 1n, sn = second - 1n;
  while ((fn & 1n) === 1n) { fn >>= 1n; sn >>= 1n; }
  let fr = path[0], sr = path[0];
  for (const c of path.slice(1)) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      fr = nodeHash(c, fr);
      sr = nodeHash(c, sr);
      while ((fn & 1n) === 0n && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
    } else {
      sr = nodeHash(sr, c);
    }
    fn >>= 1n; sn >>= 1n;
  }
  return sn === 0n && fr.equals(firstRoot) && sr.equals(secondRoot);
}

function parts(file, header) {
  const end = file.indexOf("\n\n");
  const [first, ...lines] = file.slice(0, end).split("\n");
  must(end >= 0 && first === header, "not a proof of this kind");
  return [lines, file.slice(end + 2)];
}

function field(lines, name) {
  const line = lines.shift() ?? "";
  must(line.startsWith(`${name} `), `no ${name}`);
  return line.slice(name.length + 1);
}

function hashes(lines) {
  const found = lines.map(base64);
  must(found.every((one) => one.length === 32), "not hashes");
  return found;
}

const KINDS = {
  checkpoint: (file, key) => ({ size: Number(openCheckpoint(file, key).size) }),
  inclusion(file, key) {
    const [lines, note] = parts(file, "c2sp.org/tlog-proof@v1");
    const entry = base64(field(lines, "extra"));
    const index = number(field(lines, "index"));
    const { size, root } = openCheckpoint(note, key);
    must(isIncluded(leafHash(entry), index, size, hashes(lines), root), "not included");
    return { size: Number(size), entry: textOf(entry) };
  },
  consistency(file, key, kept) {
    const [lines, note] = parts(file, "durable-passkeys/consistency-proof@v1");
    const before = openCheckpoint(textOf(base64(kept)), key);
    must(number(field(lines, "from")) === before.size, "from another size");
    const after = openCheckpoint(note, key);
    must(isConsistent(before.size, before.root, after.size, after.root, hashes(lines)), "not consistent");
    return { size: Number(after.size) };
  },
};

const told = JSON.parse(readFileSync(0, "utf8")).map(({ kind, key, file, kept }) => {
  try {
    return KINDS[kind](textOf(Buffer.from(file, "base64")), readKey(key), kept);
  } catch (error) {
    return { refused: error.message };
  }
});
process.stdout.write(JSON.stringify(told));
