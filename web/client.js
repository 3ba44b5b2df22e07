/**
 * For applications in a browser: sign in with a passkey at the service, and call an API with what comes of it. One file, nothing
 * else: copy it, or import it from the service's /assets/client.js.
 *
 *     const client = createClient({ issuer, clientId, redirectUri, resource });
 *     const back = await client.handleCallback();      // on every load: null, or {returnTo} of a sign-in that has just ended
 *     if (!client.signedIn) await client.signIn();     // leaves the page
 *     const response = await client.fetch("/api/orders");
 *
 * Tokens are in the memory of this module alone, and gone with the page: whoever reloads it signs in again. They are bound to a
 * key that cannot be taken out of the browser (RFC 9449), so that a stolen one is worth nothing. Through the redirect to the
 * service and back no memory lasts: `state` and `code_verifier` wait in sessionStorage, of this tab alone, and are taken out of
 * it before anything else is done. They are no tokens: without the code they open nothing, and it is good once.
 *
 * Each page has a session of its own, which no other tab knows: so a promise is enough to let one refresh be under way at a time.
 */

const EARLY_MS = 15_000; // a token that has less left is refreshed before it is used
const AGAIN_MS = [0, 500, 2_000]; // the service answers a repeated refresh alike for ten seconds
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** What went wrong. `code` is stable: one of OAuth's, or of ours: docs/applications.md has them all. */
export class ClientError extends Error {
  /** @param {string} code  @param {{detail?: string, acrValues?: string, maxAge?: number, cause?: unknown}} [facts] */
  constructor(code, { detail = "", acrValues, maxAge, cause } = {}) {
    super(detail ? `${code}: ${detail}` : code, { cause });
    this.name = "ClientError";
    this.code = code;
    this.acrValues = acrValues;
    this.maxAge = maxAge;
  }
}

/**
 * `apis`: the origins whose requests get tokens; without it, the one of `resource`. `onSignedOut(code)` hears when the session has
 * ended: "signed_out", or why it could not be refreshed.
 */
export function createClient({ issuer, clientId, redirectUri, resource, apis = resource ? [new URL(resource).origin] : [], onSignedOut = () => {} }) {
  const nonces = new Map(); // origin → the nonce for the next proof there
  const place = `passkeys:${issuer}:${clientId}`;
  let session = null; // {keys, access, endsAtMs, refresh, renewing: Promise | null}

  // --- Signing in -------------------------------------------------------------------------------------------------------

  /** Go to the service's page. `returnTo` is handed back by handleCallback. Does not return: the page is left. */
  async function signIn({ acrValues, loginHint, returnTo = location.href } = {}) {
    const [state, verifier] = [random(), random()];
    sessionStorage.setItem(place, JSON.stringify({ state, verifier, returnTo }));
    const query = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: redirectUri,
      state,
      code_challenge: await sha256(verifier),
      code_challenge_method: "S256",
      ...(resource && { resource }),
      ...(acrValues && { acr_values: acrValues }),
      ...(loginHint && { login_hint: loginHint }),
    });
    location.assign(`${issuer}/authorize?${query}`);
    return new Promise(() => {});
  }

  /** Back from the service's page: `{returnTo}`, or null if this is no such return. Throws ClientError: nobody is signed in. */
  async function handleCallback() {
    const told = new URL(location.href).searchParams;
    if (!told.has("code") && !told.has("error")) return null;
    const begun = JSON.parse(sessionStorage.getItem(place));
    sessionStorage.removeItem(place);
    history.replaceState(history.state, "", redirectUri); // the code stays neither in the address bar nor in the history
    if (!begun || told.get("state") !== begun.state) throw new ClientError("state_mismatch", { detail: "This tab did not ask for this answer." });
    if (told.get("iss") !== issuer) throw new ClientError("issuer_mismatch", { detail: "The answer is another service's." });
    if (told.has("error")) throw new ClientError(told.get("error"), { detail: told.get("error_description") ?? "" });
    const held = { keys: await crypto.subtle.generateKey(ALGORITHM, false, ["sign"]), renewing: null };
    take(held, await ask(held, { grant_type: "authorization_code", code: told.get("code"), code_verifier: begun.verifier, redirect_uri: redirectUri }));
    session = held;
    return { returnTo: begun.returnTo };
  }

  /** End the session here and at the service. Throws ClientError("unreachable"): then it has ended here alone. */
  async function signOut() {
    const held = session;
    if (!held) return;
    session = null;
    await held.renewing?.catch(() => {}); // what is under way brings the newest token, and that is the one to end
    const body = new URLSearchParams({ client_id: clientId, token: held.refresh ?? held.access });
    const sent = globalThis.fetch(`${issuer}/revoke`, { method: "POST", body, credentials: "omit", keepalive: true });
    onSignedOut("signed_out");
    const answer = await sent.catch((cause) => Promise.reject(new ClientError("unreachable", { cause })));
    if (!answer.ok) throw new ClientError("unreachable", { detail: `/revoke answered ${answer.status}.` });
  }

  // --- Calling an API ---------------------------------------------------------------------------------------------------

  /**
   * As the browser's fetch, with the token and a proof. Throws ClientError: `sign_in_needed`, with what the API wants if it wants a
   * stronger or a more recent sign-in; `unreachable`, if the token could not be refreshed; and what fetch throws.
   */
  async function fetch(input, init) {
    const request = new Request(input, { redirect: "error", ...init });
    if (!apis.includes(new URL(request.url).origin)) throw new ClientError("api_unknown", { detail: "Tokens go to the origins in `apis` alone." });
    const held = session;
    for (let again = false; ; again = true) {
      if (!held || session !== held) throw new ClientError("sign_in_needed");
      if (held.endsAtMs - Date.now() < EARLY_MS) await renew(held, held.access);
      const used = held.access;
      const response = await send(held, request, used);
      const challenge = response.status === 401 ? (response.headers.get("WWW-Authenticate") ?? "") : "";
      const error = parameter(challenge, "error");
      if (error === "insufficient_user_authentication") {
        const maxAge = parameter(challenge, "max_age");
        throw new ClientError("sign_in_needed", { acrValues: parameter(challenge, "acr_values"), maxAge: maxAge && Number(maxAge) });
      }
      if (again || error !== "invalid_token") return response;
      await renew(held, used);
    }
  }

  /** A new access token, unless somebody has just got one instead of `used`. One request, however many wait for it. */
  async function renew(held, used) {
    if (session !== held) throw new ClientError("sign_in_needed");
    if (held.access !== used) return;
    held.renewing ??= refresh(held).finally(() => (held.renewing = null));
    await held.renewing;
  }

  async function refresh(held) {
    if (!held.refresh) return end(held, "expired");
    try {
      take(held, await ask(held, { grant_type: "refresh_token", refresh_token: held.refresh }));
    } catch (error) {
      if (error.code === "unreachable") throw error; // the session may well live: the next request tries again
      end(held, error.code);
    }
  }

  function end(held, code) {
    if (session === held) {
      session = null;
      onSignedOut(code);
    }
    throw new ClientError("sign_in_needed", { detail: code });
  }

  function take(held, answer) {
    if (answer.token_type !== "DPoP") throw new ClientError("token_unbound", { detail: "The service has bound the token to no key." });
    Object.assign(held, { access: answer.access_token, endsAtMs: Date.now() + answer.expires_in * 1000, refresh: answer.refresh_token ?? held.refresh ?? null });
  }

  // --- Requests and proofs ----------------------------------------------------------------------------------------------

  /** The token endpoint's answer. The same form again is safe while nobody has answered. Throws ClientError. */
  async function ask(held, form) {
    const body = new URLSearchParams({ client_id: clientId, ...(resource && { resource }), ...form });
    let failure;
    for (const waitMs of AGAIN_MS) {
      if (waitMs) await new Promise((resolve) => setTimeout(resolve, waitMs));
      try {
        const response = await send(held, new Request(`${issuer}/token`, { method: "POST", body, credentials: "omit", redirect: "error" }));
        const answer = await response.json();
        if (response.ok) return answer;
        if (response.status < 500) throw new ClientError(answer.error ?? `http_${response.status}`, { detail: answer.error_description });
        failure = new ClientError("unreachable", { detail: answer.error });
      } catch (cause) {
        if (cause instanceof ClientError) throw cause;
        failure = new ClientError("unreachable", { cause });
      }
    }
    throw failure;
  }

  /** The request with a new proof; and once more with the nonce, where the server wants one (RFC 9449 §8, §9). */
  async function send(held, request, access) {
    const { origin, pathname } = new URL(request.url);
    for (let again = false; ; again = true) {
      const headers = new Headers(request.headers);
      headers.set("DPoP", await proof(held.keys, { htm: request.method, htu: origin + pathname, nonce: nonces.get(origin), access }));
      if (access) headers.set("Authorization", `DPoP ${access}`);
      const response = await globalThis.fetch(new Request(request.clone(), { headers }));
      const nonce = response.headers.get("DPoP-Nonce");
      if (nonce) nonces.set(origin, nonce);
      if (again || !nonce || !(await wantsNonce(response))) return response;
    }
  }

  return Object.freeze({
    signIn,
    handleCallback,
    signOut,
    fetch,
    /** Whether somebody is signed in here. The service may have ended the session since: the next request finds out. */
    get signedIn() {
      return session !== null;
    },
  });
}

async function wantsNonce(response) {
  if (response.status === 401) return parameter(response.headers.get("WWW-Authenticate") ?? "", "error") === "use_dpop_nonce";
  if (response.status !== 400) return false;
  return (await response.clone().json().catch(() => null))?.error === "use_dpop_nonce";
}

/** A proof that the key is here (RFC 9449 §4.2). `access`: the token that goes with it, if one does. */
async function proof(keys, { htm, htu, nonce, access }) {
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", keys.publicKey);
  const header = { typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } };
  const claims = { jti: random(), htm, htu, iat: Math.floor(Date.now() / 1000), ...(nonce && { nonce }), ...(access && { ath: await sha256(access) }) };
  const signed = [header, claims].map((part) => base64url(new TextEncoder().encode(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign(ALGORITHM, keys.privateKey, new TextEncoder().encode(signed));
  return `${signed}.${base64url(new Uint8Array(signature))}`;
}

/** A parameter of a WWW-Authenticate header, of whichever challenge has it; undefined without. */
function parameter(challenge, name) {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(challenge)?.[1];
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function sha256(text) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
