"""A real, certified OpenID provider for the tests: panva's oidc-provider, in the shapes of Entra ID, Okta and PingOne."""
