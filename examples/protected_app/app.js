/** The page: sign in, call the API, sign out. Everything about tokens is in client.js. */

import { createClient } from "./client.js";

const $ = (id) => document.getElementById(id);
const named = (name) => document.querySelector(`meta[name=${name}]`).content;
const client = createClient({
  issuer: named("issuer"),
  clientId: named("client-id"),
  redirectUri: `${location.origin}/callback`,
  resource: location.origin,
  onSignedOut: () => show("You are signed out."),
});

function show(sentence) {
  $("who").textContent = sentence;
  $("in").hidden = !client.signedIn;
  $("out").hidden = client.signedIn;
  if (!client.signedIn) $("answer").textContent = ""; // nothing of the person stays
}

async function call(what) {
  const [method, path] = what.split(" ");
  try {
    const response = await client.fetch(path, { method });
    $("answer").textContent = `${response.status}\n${await response.text()}`;
  } catch (error) {
    // The session is over, or the API wants a sign-in that is stronger or more recent: then so be it.
    if (error.code === "sign_in_needed") show(error.maxAge ? "For that, sign in again." : "Sign in first.");
    if (error.maxAge) $("out").hidden = false;
    $("answer").textContent = error.message;
  }
}

$("sign-in").addEventListener("click", () => client.signIn({ returnTo: "/" }));
$("sign-out").addEventListener("click", () => client.signOut().catch((error) => ($("answer").textContent = error.message)));
for (const button of document.querySelectorAll("[data-call]")) button.addEventListener("click", () => call(button.dataset.call));

try {
  const back = await client.handleCallback();
  if (back) history.replaceState(null, "", back.returnTo);
  show(client.signedIn ? "You are signed in." : "Sign in to call the API.");
} catch (error) {
  show(`You are not signed in: ${error.message}`);
}
