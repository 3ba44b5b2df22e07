/**
 * A login at the company's identity provider, from this page and back to it: authorization code with PKCE, as a public client
 * (RFC 6749 §4.1, RFC 7636, RFC 9700 §2.1). What comes of it is an access token, for the memory of the page alone.
 *
 * On the way there the page goes away. What it needs to recognise the answer waits in this tab's sessionStorage, is of use for
 * this one answer alone, and is removed before the answer is looked at: state and code_verifier, and never a token.
 */

import { newProof } from "./proof.js";

const WAITING = "enrolment";
const PATIENCE_MS = 15 * 60_000;
const TOKEN_TIMEOUT_MS = 15_000;

/** What can be wrong with an answer. `code` is stable; `said` is the provider's own code, if it was one. */
export class LoginFailure extends Error {
  constructor(code, said = "") {
    super(said ? `${code}: ${said}` : code);
    this.name = "LoginFailure";
    this.code = code;
    this.said = said;
  }
}

/** Go to the provider. `demands`: what its sign-in must be, as `demandsOf` reads it. The page ends here. */
export async function leaveFor(account, demands = {}) {
  const { verifier, challenge } = await newProof();
  const { verifier: state } = await newProof();
  sessionStorage.setItem(WAITING, JSON.stringify({ issuer: account.issuer, state, verifier, at: Date.now() }));
  const asked = {
    response_type: "code",
    client_id: account.client_id,
    redirect_uri: addressOf(account),
    scope: account.scope,
    state,
    code_challenge: challenge,
    code_challenge_method: "S256",
    ...(account.resource ? { resource: account.resource } : {}),
    ...demands,
  };
  const address = new URL(account.authorization_endpoint);
  for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
  location.assign(address);
}

/**
 * What the provider has answered, if this page was opened by an answer: {account, code, verifier}; null if it was not. The
 * address bar and the history keep nothing of it.
 * @throws {LoginFailure} login_refused, login_not_ours, login_late
 */
export function answerIn(accounts) {
  const query = new URLSearchParams(location.search);
  const kept = sessionStorage.getItem(WAITING);
  sessionStorage.removeItem(WAITING);
  if (!query.has("code") && !query.has("error")) return null;
  const issuer = location.pathname.split("/")[2];
  history.replaceState(null, "", "/enrol");
  const waiting = kept ? JSON.parse(kept) : {};
  const account = accounts.find((one) => one.issuer === issuer);
  // RFC 9700 §4.4: the answer to this question, of the issuer that was asked: by its own address, and where it says so, its name.
  const ours = account && waiting.issuer === issuer && waiting.state && query.get("state") === waiting.state;
  // RFC 9207 §2.4: a provider that names itself in its answers does so in each of them.
  const named = query.has("iss") || account?.authorization_response_iss_parameter_supported;
  if (!ours || (named && query.get("iss") !== account.iss)) throw new LoginFailure("login_not_ours");
  if (Math.abs(Date.now() - waiting.at) > PATIENCE_MS) throw new LoginFailure("login_late");
  if (query.has("error")) throw new LoginFailure("login_refused", query.get("error"));
  return { account, code: query.get("code"), verifier: waiting.verifier };
}

/** The access token for the answer's code. @throws {LoginFailure} login_failed */
export async function tokenFor({ account, code, verifier }) {
  const form = {
    grant_type: "authorization_code",
    code,
    code_verifier: verifier,
    client_id: account.client_id,
    redirect_uri: addressOf(account),
    ...(account.resource ? { resource: account.resource } : {}),
  };
  let answer;
  try {
    const response = await fetch(account.token_endpoint, {
      method: "POST",
      body: new URLSearchParams(form),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    });
    answer = await response.json();
  } catch {
    throw new LoginFailure("login_failed");
  }
  if (typeof answer.access_token !== "string") throw new LoginFailure("login_failed", String(answer.error ?? ""));
  return answer.access_token;
}

/** What a WWW-Authenticate header wants of another sign-in (RFC 9470 §3, and Entra's claims challenge), as parameters for it. */
export function demandsOf(challenge) {
  const told = Object.fromEntries([...challenge.matchAll(/(\w+)=(?:"([^"]*)"|(\d+))/g)].map(([, name, text, number]) => [name, text ?? number]));
  if (told.claims) return { claims: atob(told.claims) };
  const demands = {};
  // A token may be too old though the sign-in behind it is not: so ask for a new one of both.
  if (told.max_age !== undefined) Object.assign(demands, { max_age: told.max_age, prompt: "login" });
  if (told.acr_values) demands.acr_values = told.acr_values;
  return demands;
}

function addressOf({ issuer }) {
  return `${location.origin}/enrol/${issuer}`;
}
