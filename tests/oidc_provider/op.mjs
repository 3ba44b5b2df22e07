// A certified OpenID provider (panva's oidc-provider) under three issuers of one origin, whose access tokens are shaped as those of
// Entra ID, Okta and PingOne. Started by tests/oidc_provider/provider.py with one argument, JSON:
//   {"port", "tls": the path of key and certificate, "audience", "scope", "client_id", "redirect_uris",
//    "issuers": {"entra": path, "okta": path, "ping": path},
//    "people": {login: {"entra": claims, "okta": claims, "ping": claims}}}
// It says READY on a line of its own, and ends when its standard input does.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider, errors, interactionPolicy } from 'oidc-provider';

const settings = JSON.parse(process.argv[2]);
const pem = readFileSync(settings.tls);
const origin = `https://localhost:${settings.port}`;

// What the shape of a token is, beside the claims that its person has.
const SHAPES = {
  entra: (payload) => ({
    header: { typ: 'JWT' },
    payload: { ...without(payload, 'client_id', 'scope', 'jti'), ver: '2.0', azp: payload.client_id, azpacr: '0', scp: payload.scope, nbf: payload.iat },
  }),
  okta: (payload) => ({
    header: { typ: undefined },
    payload: { ...without(payload, 'client_id', 'scope'), ver: 1, cid: payload.client_id, scp: payload.scope.split(' '), auth_time: payload.iat },
  }),
  ping: (payload) => ({
    header: { typ: 'at+jwt' },
    payload: { ...payload, acr: 'Multi_Factor', auth_time: payload.iat },
  }),
};

function without(members, ...names) {
  return Object.fromEntries(Object.entries(members).filter(([name]) => !names.includes(name)));
}

// Consent was given by the company's administrators; and a page at a loopback address is no app that could be anybody's.
const policy = interactionPolicy.base();
policy.get('consent').checks.remove('native_client_prompt');

async function provider(shape, path) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const made = new Provider(`${origin}${path}`, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: `${shape}-1`, alg: 'RS256', use: 'sig' }] },
    clients: [
      {
        client_id: settings.client_id,
        application_type: 'native', // whose loopback redirects are for any port (RFC 8252 §7.3)
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        redirect_uris: settings.redirect_uris,
      },
    ],
    scopes: ['openid', settings.scope],
    clientBasedCORS: () => true,
    pkce: { required: () => true },
    interactions: { policy },
    cookies: { keys: ['a key for the tests'] },
    findAccount: (_, login) =>
      settings.people[login] && { accountId: login, claims: async () => ({ sub: login }) },
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope(`openid ${settings.scope}`);
      for (const audience of [settings.audience, `${settings.audience}/other`]) grant.addResourceScope(audience, settings.scope);
      await grant.save();
      return grant;
    },
    formats: {
      customizers: {
        jwt(_, token, parts) {
          const shaped = SHAPES[shape](parts.payload);
          parts.header = shaped.header;
          parts.payload = { ...shaped.payload, ...settings.people[token.accountId][shape] };
        },
      },
    },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => settings.audience,
        useGrantedResource: () => true,
        getResourceServerInfo(_, resource) {
          if (!resource.startsWith(settings.audience)) throw new errors.InvalidTarget();
          return { scope: settings.scope, audience: resource, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
        },
      },
    },
  });
  made.on('server_error', (_, error) => console.error(error));
  return { path, handle: made.callback() };
}

const providers = await Promise.all(Object.entries(settings.issuers).map(([shape, path]) => provider(shape, path)));

createServer({ key: pem, cert: pem }, (req, res) => {
  const found = providers.find(({ path }) => req.url.startsWith(`${path}/`));
  if (!found) return res.writeHead(404).end();
  // Mounted as Express mounts: what comes after the issuer's path is the provider's.
  req.originalUrl = req.url;
  req.baseUrl = found.path;
  req.url = req.url.slice(found.path.length);
  return found.handle(req, res);
}).listen(settings.port, '127.0.0.1', () => console.log('READY'));

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
