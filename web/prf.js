/**
 * The PRF extension (WebAuthn L3 §10.1.4): secrets that a passkey gives for encryption. They stay in this page. Nothing of them
 * is sent, stored or shown; code that is embedded beside this module gets them by `onPrf`, and nobody else does.
 */

const listeners = new Set();

/**
 * Be told of each prompt that asked for the PRF, from now on. Nothing is kept for those who come later.
 *
 * @param {(told: {credentialId: string, kind: "registration" | "authentication", able: boolean,
 *                 results: {first: Uint8Array, second?: Uint8Array} | null}) => void} listener
 *   `able`: the passkey has the PRF. `results`: null where it was not evaluated, as in most registrations. Each listener has
 *   a copy of its own, to import as a key and to overwrite.
 * @returns {() => void} ends it
 */
export function onPrf(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Tell the listeners what a credential gave, if its options asked for the PRF. */
export function tellPrf(kind, options, credential) {
  if (!options.extensions?.prf) return;
  const { enabled, results } = credential.getClientExtensionResults().prf ?? {};
  const able = enabled ?? Boolean(results); // `enabled` comes with registrations alone
  for (const listener of listeners) {
    try {
      listener({ credentialId: credential.id, kind, able, results: results ? copied(results) : null });
    } catch (error) {
      reportError(error); // theirs: the ceremony goes on
    }
  }
}

/** Client extension results as the service may have them: what is there, and yes or no. Every other value is emptied. */
export function withoutSecrets(results) {
  if (typeof results === "boolean") return results;
  if (!results || typeof results !== "object" || results instanceof ArrayBuffer || ArrayBuffer.isView(results)) return "";
  return Object.fromEntries(Object.entries(results).map(([name, result]) => [name, withoutSecrets(result)]));
}

function copied(results) {
  return Object.fromEntries(Object.entries(results).map(([name, result]) => [name, new Uint8Array(result.slice(0))]));
}
