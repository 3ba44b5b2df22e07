/**
 * Every way in which the browser's part of a ceremony can fail: a stable code, the step of the specification that
 * raises it, and what the person can do. Steps are those of WebAuthn Level 3 (editor's draft of July 2026).
 *
 * The specification hides causes on purpose (§14.5.1, §14.5.2): a page must not learn which passkeys somebody has. So one
 * NotAllowedError covers many causes, and our words cover them all instead of guessing one.
 */

export class BrowserFailure extends Error {
  /** @param {keyof typeof FAILURES} code */
  constructor(code, { cause, rpId = "" } = {}) {
    const failure = FAILURES[code];
    super(failure.next, { cause });
    this.name = "BrowserFailure";
    this.code = code;
    this.title = failure.title;
    this.next = rpId ? failure.next.replace("its own address", `an address of ${rpId}`) : failure.next;
    this.retry = failure.retry;
    this.spec = failure.spec;
  }
}

/** code → what it is called, what to do next, whether trying again makes sense, and the step that raises it. */
export const FAILURES = Object.freeze({
  insecure_context: {
    title: "This address is not secure",
    next: "Passkeys work over https, or on localhost. Open this page at its https address.",
    retry: false,
    spec: "WebAuthn L3 §5: the interface is exposed in secure contexts only",
  },
  browser_unsupported: {
    title: "This browser has no passkeys",
    next: "Open this page in a current Chrome, Edge, Firefox or Safari. A private window or a company policy can switch passkeys off as well.",
    retry: false,
    spec: "WebAuthn L3 §5.1: PublicKeyCredential is missing",
  },
  browser_outdated: {
    title: "This browser is too old",
    next: "Update your browser, then open this page again. It needs Chrome or Edge 129, Firefox 119, Safari 18.4, or newer.",
    retry: false,
    spec: "WebAuthn L3 §5.1.8, §5.1.9: the JSON methods are missing",
  },
  prompt_closed: {
    title: "Your browser ended the prompt",
    next: "It was closed, took too long, or found no passkey that fits. Try again, and unlock your device or touch your key when you are asked.",
    retry: true,
    spec: "WebAuthn L3 §5.1.3 steps 22 and 23, §5.1.4.1 steps 20 and 21: NotAllowedError",
  },
  passkey_exists: {
    title: "You already have a passkey here",
    next: "This device or key holds a passkey for your account. Sign in with it, or create another one on a different device.",
    retry: false,
    spec: "WebAuthn L3 §6.3.2 step 3: excludeCredentials; InvalidStateError",
  },
  verification_unavailable: {
    title: "This device cannot confirm that it is you",
    next: "A passkey needs a screen lock, fingerprint, face or PIN. Set one up on this device or key, or choose another one, then try again.",
    retry: true,
    spec: "WebAuthn L3 §6.3.2 steps 4 and 5: ConstraintError",
  },
  algorithm_unsupported: {
    title: "This key is not supported",
    next: "It offers no kind of signature that this service accepts. Try again with another device or security key.",
    retry: true,
    spec: "WebAuthn L3 §5.1.3 step 10, §6.3.2 step 2: NotSupportedError",
  },
  origin_not_allowed: {
    title: "Passkeys cannot be used at this address",
    next: "A passkey works only at the site that it was made for. Open this page at its own address.",
    retry: false,
    spec: "WebAuthn L3 §5.1.3 steps 7 and 8, §5.1.4.1 steps 6 and 7: SecurityError",
  },
  prompt_busy: {
    title: "Another passkey prompt is open",
    next: "Close it, in this tab or another one, then try again.",
    retry: true,
    spec: "Credential Management L1 §2.5: one request at a time; OperationError, InvalidStateError on get()",
  },
  options_unreadable: {
    title: "Your browser could not read the challenge",
    next: "Reload this page and try again. If it happens again, give the reference to the people who run this service.",
    retry: true,
    spec: "WebAuthn L3 §5.1.8, §5.1.9: EncodingError; §5.1.3 step 5: TypeError",
  },
  authenticator_failed: {
    title: "Your device or key reported a fault",
    next: "Try again. With a security key, take it out and plug it in first.",
    retry: true,
    spec: "WebAuthn L3 §6.3.2 steps 1 and 8, §6.3.3 steps 1 and 12: UnknownError",
  },
  browser_failed: {
    title: "Your browser reported a fault",
    next: "Try again. If it happens again, restart the browser or use another one.",
    retry: true,
    spec: "No step: an error that the specification does not name",
  },
});

const ON_EITHER = {
  NotAllowedError: "prompt_closed",
  SecurityError: "origin_not_allowed",
  OperationError: "prompt_busy",
  EncodingError: "options_unreadable",
  TypeError: "options_unreadable",
  UnknownError: "authenticator_failed",
  NotReadableError: "authenticator_failed",
};
const CODES = {
  registration: {
    ...ON_EITHER,
    InvalidStateError: "passkey_exists",
    ConstraintError: "verification_unavailable",
    NotSupportedError: "algorithm_unsupported",
  },
  // InvalidStateError has no step on get(): browsers raise it when a request is already pending.
  authentication: { ...ON_EITHER, InvalidStateError: "prompt_busy", NotSupportedError: "browser_unsupported" },
};

/** The BrowserFailure for what navigator.credentials, or the reading of its options, threw. */
export function failureOf(kind, error, options) {
  const code = CODES[kind][error?.name] ?? "browser_failed";
  const rpId = code === "origin_not_allowed" ? (options?.rp?.id ?? options?.rpId ?? "") : "";
  return new BrowserFailure(code, { cause: error, rpId });
}
