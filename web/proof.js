/**
 * The proof key of a ceremony (RFC 7636, S256): the start carries the challenge, and whoever shows the verifier afterwards
 * is who started it. A verifier lives in the memory of the page that made it, and is gone with it.
 */

const VERIFIER_BYTES = 32; // RFC 7636 §4.1: 32 random bytes make the shortest verifier, of 43 characters

/** @returns {Promise<{verifier: string, challenge: string}>} */
export async function newProof() {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(VERIFIER_BYTES)));
  // RFC 7636 §4.2: of the verifier's characters, not of the bytes behind them.
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  return { verifier, challenge: base64url(new Uint8Array(digest)) };
}

/** The headers of a request by whoever started this ceremony. */
export function proving({ id, verifier }) {
  return { Authorization: `Ceremony ${id}:${verifier}` };
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
