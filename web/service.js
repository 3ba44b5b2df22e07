/**
 * One request to the service: JSON out, JSON in. Whatever goes wrong is one ServiceError with a stable code: the service's
 * own, from its problem document (RFC 9457), or `host_unreachable` when no answer came.
 */

export class ServiceError extends Error {
  /** @param {string} code  @param {{status?: number, detail?: string, retryAfterSeconds?: number, challenge?: string, cause?: unknown}} [facts] */
  constructor(code, { status = 0, detail = "", retryAfterSeconds = 0, challenge = "", cause } = {}) {
    super(detail || code, { cause });
    this.name = "ServiceError";
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.retryAfterSeconds = retryAfterSeconds;
    this.challenge = challenge; // what WWW-Authenticate asks for
  }

  /** Whether asking again, without change, may succeed: nobody answered, or a part of the service is away. */
  get transient() {
    return this.code === "host_unreachable" || this.status >= 500;
  }
}

/**
 * @param {{body?: object, headers?: Record<string, string>, timeoutMs: number, signal?: AbortSignal, keepalive?: boolean}} request
 * @returns {Promise<{document: object, serverNowMs: number}>} `serverNowMs`: the Date header, NaN without one
 */
export async function call(method, path, { body, headers = {}, timeoutMs, signal, keepalive = false }) {
  const timeout = AbortSignal.timeout(timeoutMs);
  let response, text;
  try {
    response = await fetch(path, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: body === undefined ? headers : { ...headers, "Content-Type": "application/json" },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      keepalive,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await response.text();
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw new ServiceError("host_unreachable", { cause });
  }
  const document = parsed(text);
  if (response.ok && document) return { document, serverNowMs: Date.parse(response.headers.get("Date") ?? "") };
  throw new ServiceError(document?.code ?? `http_${response.status}`, {
    status: response.status,
    detail: document?.detail,
    retryAfterSeconds: Number(response.headers.get("Retry-After")) || 0,
    challenge: response.headers.get("WWW-Authenticate") ?? "",
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
