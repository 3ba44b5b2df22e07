/** The operator's two reads over HTTP. The function key goes with each, and is kept nowhere but in the caller's memory. */

const TIMEOUT_MS = 20_000;
const LISTED = 100;

export class OperationsError extends Error {
  /** @param {string} code  @param {string} next what the operator can do */
  constructor(code, next, { cause } = {}) {
    super(next, { cause });
    this.name = "OperationsError";
    this.code = code;
  }
}

/** [{id, kind, runtimeStatus, stage, outcome, reason, createdTime, lastUpdatedTime}], newest first. */
export async function recentCeremonies(key) {
  return (await get(`/operations/ceremonies?limit=${LISTED}`, key)).ceremonies;
}

/** One ceremony: the same members, and `timeline`: [{at, source, step, detail}] and `audit`: its entry or null. */
export function oneCeremony(key, id) {
  return get(`/operations/ceremonies/${id}`, key);
}

async function get(path, key) {
  let response, document;
  try {
    response = await fetch(path, {
      headers: { "x-functions-key": key },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    document = await response.json().catch(() => null); // a refused key has no body
  } catch (cause) {
    // A key that cannot be a header's value never leaves: fetch refuses it with the same error as a lost connection.
    if (/[^\x21-\x7e]/.test(key)) throw keyRefused();
    throw new OperationsError("host_unreachable", "The service does not answer. Check that it is running, then refresh.", { cause });
  }
  if (response.ok && document) return document;
  if (response.status === 401 || response.status === 403) throw keyRefused();
  if (response.status === 404) {
    throw new OperationsError("ceremony_unknown", "There is no such ceremony. Check the id; its history may have been purged.");
  }
  const detail = document?.detail ?? "Try again; if it stays, look at the service's log.";
  throw new OperationsError(document?.code ?? `http_${response.status}`, `The service answered ${response.status}. ${detail}`);
}

function keyRefused() {
  return new OperationsError("key_refused", "This key was not accepted. Check that you copied all of it, and that it is this service's key.");
}
