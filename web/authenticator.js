/** The browser's side of a ceremony: what it can do, and its two prompts, with JSON in and JSON out. */

import { BrowserFailure, failureOf } from "./browser_failures.js";
import { tellPrf, withoutSecrets } from "./prf.js";

/** Null when passkeys can be used here, else the BrowserFailure that says why not and what to do. */
export function obstacle() {
  if (!globalThis.isSecureContext) return new BrowserFailure("insecure_context");
  if (!globalThis.PublicKeyCredential || !navigator.credentials) return new BrowserFailure("browser_unsupported");
  // WebAuthn L3 §5.1.8 and §5.1.9: without these, each page would need its own decoder of binary members.
  const missing = ["parseCreationOptionsFromJSON", "parseRequestOptionsFromJSON"].some(
    (method) => typeof PublicKeyCredential[method] !== "function",
  );
  if (missing || typeof PublicKeyCredential.prototype.toJSON !== "function") {
    return new BrowserFailure("browser_outdated");
  }
  return null;
}

/** Whether this browser offers passkeys in a form field (conditional mediation). */
export async function canAutofill() {
  if (obstacle()) return false;
  try {
    return Boolean(await PublicKeyCredential.isConditionalMediationAvailable?.());
  } catch {
    return false;
  }
}

/** Ask for a new passkey. Resolves to a RegistrationResponseJSON; rejects with a BrowserFailure, or the signal's reason. */
export function createPasskey(options, { signal, mediation = "optional" }) {
  return prompted("registration", options, signal, () =>
    navigator.credentials.create({
      publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
      mediation,
      signal,
    }),
  );
}

/** Ask for a passkey. Resolves to an AuthenticationResponseJSON; rejects with a BrowserFailure, or the signal's reason. */
export function usePasskey(options, { signal, mediation = "optional" }) {
  return prompted("authentication", options, signal, () =>
    navigator.credentials.get({
      publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
      mediation,
      signal,
    }),
  );
}

async function prompted(kind, options, signal, prompt) {
  const unable = obstacle();
  if (unable) throw unable;
  try {
    const credential = await prompt();
    if (!credential) throw new DOMException("No credential came back.", "NotAllowedError");
    tellPrf(kind, options, credential);
    const answer = credential.toJSON();
    return { ...answer, clientExtensionResults: withoutSecrets(answer.clientExtensionResults) };
  } catch (error) {
    // WebAuthn L3 §5.6: an aborted prompt rejects with the reason that the signal carries.
    if (signal.aborted) throw signal.reason;
    throw failureOf(kind, error, options);
  }
}
