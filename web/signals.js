/**
 * The Signal API (WebAuthn L3 §5.1.10): tells the person's password manager what the service knows, so that it offers no passkey
 * that cannot work. A browser without it, or one that fails, costs nothing: nobody waits for these, and nobody hears of them.
 */

import { signalsOf } from "./credentials_api.js";

/** After a sign-in and after changes: the passkeys that are accepted, and what the account is called. As the service served it. */
export async function signalAccepted({ allAcceptedCredentials, currentUserDetails } = {}) {
  await signal("signalAllAcceptedCredentials", allAcceptedCredentials);
  await signal("signalCurrentUserDetails", currentUserDetails);
}

/**
 * After a rejected sign-in: the passkey is unknown, if the service says so for this very ceremony. This deletes it for good where
 * it is kept, so it is never our guess: a wrong signature or a disabled passkey is not an unknown one.
 */
export async function signalRejected(ceremony) {
  if (typeof globalThis.PublicKeyCredential?.signalUnknownCredential !== "function") return;
  try {
    await signal("signalUnknownCredential", (await signalsOf(ceremony)).unknownCredential);
  } catch {
    // The service has nothing to say. The passkey stays where it is.
  }
}

async function signal(name, payload) {
  if (!payload || typeof globalThis.PublicKeyCredential?.[name] !== "function") return;
  try {
    await PublicKeyCredential[name](payload);
  } catch {
    // It does not belong to this browser, or is not understood: nothing to mend here.
  }
}
