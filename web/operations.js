/**
 * The operators' page: the recent ceremonies, one of them step by step, people's passkeys, recoveries.
 *
 * The fragment is the place: empty for the list, a ceremony's id for that ceremony, `people`, `recovery=` and an id, so that each can
 * be linked to, and the browser's Back works. The key lives in `key` alone.
 */

import { auditLine } from "./audit.js";
import { fillFacts, made, tell as tellLine } from "./elements.js";
import { metadataLine } from "./metadata.js";
import { auditOf, metadataOf, oneCeremony, recentCeremonies } from "./operations_api.js";
import { createOperator } from "./operator.js";
import { createPeople } from "./people.js";
import { createRecoveries } from "./recoveries.js";
import { clock, drawTimeline, duration } from "./timeline.js";

const CEREMONY_ID = /^(registration|authentication|recovery)-[0-9a-f]{32}$/;
const RECOVERY = /^recovery=(recovery-[0-9a-f]{32})$/;
const PEOPLE = "people";
const VIEWS = ["gate", "list", "detail", "people", "recovery"];
const KINDS = { registration: "Registration", authentication: "Sign-in", recovery: "Recovery" };
const OUTCOMES = {
  completed: ["Completed", "good"],
  rejected: ["Rejected", "bad"],
  refused: ["Refused", "bad"],
  failed: ["Failed", "bad"],
  rate_limited: ["Rate limited", "warn"],
  expired: ["Expired", "calm"],
  canceled: ["Cancelled", "calm"],
};
const STAGES = {
  admitting: "Being let in",
  challenging: "Challenge being issued",
  awaiting_authenticator: "Waiting for the person",
  verifying: "Being verified",
  resolving_claims: "Claims being resolved",
  recording: "Being recorded",
};

const $ = (id) => document.getElementById(id);

let key = null;
let ceremonies = [];
let asked = 0; // the newest request: an older one that answers later is not shown

const operator = createOperator({
  bar: $("operator"),
  words: $("operator-words"),
  error: $("operator-error"),
  enter: $("operator-enter"),
  leave: $("operator-leave"),
  onChange: () => people.forget(),
});
const recoveries = createRecoveries({
  show: (title) => show("recovery", title, { focus: true }),
  announce,
  operator,
  key: () => key,
  onLeave: () => (location.hash = PEOPLE),
});
const people = createPeople({ key: () => key, operator, recoveries, lock: (error) => lock({ error: error.message }) });

$("gate-form").addEventListener("submit", (event) => {
  event.preventDefault();
  unlock($("key").value.trim());
});
$("lock").addEventListener("click", () => lock());
$("refresh").addEventListener("click", () => showList({ focus: false }));
$("detail-refresh").addEventListener("click", () => showDetail(place(), { focus: false }));
$("outcome").addEventListener("change", drawRows);
$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  find($("find-id").value.trim());
});
addEventListener("hashchange", () => (key || RECOVERY.test(place())) && go());
if (RECOVERY.test(place())) go(); // whoever was sent the link confirms with a passkey, and needs no key
else lock({ focus: false });

/** The ceremony id in the address, or "" for the list. */
function place() {
  return location.hash.slice(1);
}

function go() {
  recoveries.leave();
  const [, recovery] = RECOVERY.exec(place()) ?? [];
  if (recovery) return recoveries.enter(recovery);
  if (place() === PEOPLE) return showPeople();
  return place() ? showDetail(place()) : showList();
}

function showPeople() {
  asked += 1;
  people.enter();
  show("people", "People", { focus: true });
}

/** Forget the key and everything that was shown with it. */
function lock({ focus = true, error = "" } = {}) {
  asked += 1;
  key = null;
  ceremonies = [];
  tell("metadata", "");
  tell("audit-line", "");
  operator.forget();
  recoveries.forget();
  people.forget();
  for (const shown of ["rows", "timeline", "summary", "audit", "audit-json"]) $(shown).replaceChildren();
  $("key").value = "";
  tell("key-error", error);
  $("key").setAttribute("aria-invalid", String(Boolean(error)));
  show("gate", "Operations", { focus: false });
  if (focus) $("key").focus();
}

function unlock(given) {
  key = given;
  $("key").value = "";
  tell("key-error", "");
  return go();
}

async function showList({ focus = true } = {}) {
  const found = await ask(() => recentCeremonies(key), "list-error");
  if (found === undefined) return;
  if (found !== null) ceremonies = found;
  show("list", "Recent ceremonies", { focus });
  drawRows();
  drawLine("audit-line", auditOf, auditLine);
  drawLine("metadata", metadataOf, metadataLine);
  if (found !== null) $("as-of").textContent = `As of ${clock(new Date().toISOString()).slice(0, 8)}`;
}

/** A line of its own, beside the list: what it cannot show, it leaves out. */
async function drawLine(id, asked, line) {
  const mine = key;
  const { words, wrong } = await asked(mine).then(line).catch(() => ({ words: "", wrong: false }));
  if (mine !== key) return;
  tell(id, words);
  $(id).classList.toggle("wrong", wrong);
}

async function showDetail(id, { focus = true } = {}) {
  if (!CEREMONY_ID.test(id)) {
    show("detail", "No such ceremony", { focus });
    $("detail-title").textContent = "No such ceremony";
    $("detail-body").hidden = true;
    return tell("detail-error", "The address does not name a ceremony. An id looks like authentication- or registration-, then 32 hexadecimal digits.");
  }
  const found = await ask(() => oneCeremony(key, id), "detail-error");
  if (found === undefined) return;
  const title = `${KINDS[id.split("-")[0]]} ${id.split("-")[1].slice(0, 8)}`;
  $("detail-title").textContent = title;
  $("detail-body").hidden = found === null;
  if (found !== null) drawDetail(found);
  $("detail-as-of").textContent = found === null ? "" : `As of ${clock(new Date().toISOString()).slice(0, 8)}`;
  show("detail", title, { focus });
}

/** The result of `request`; null when it failed and the page says so; undefined when nobody waits for it any more. */
async function ask(request, errorId) {
  const mine = ++asked;
  document.body.setAttribute("aria-busy", "true");
  try {
    const result = await request();
    if (mine !== asked) return undefined;
    tell(errorId, "");
    return result;
  } catch (error) {
    if (mine !== asked) return undefined;
    if (error.code === "key_refused") return void lock({ error: error.message });
    if (error.code === "host_unreachable" && !$("gate").hidden) return void lock({ error: error.message });
    tell(errorId, error.message);
    return null;
  } finally {
    if (mine === asked) document.body.removeAttribute("aria-busy");
  }
}

function find(id) {
  const known = CEREMONY_ID.test(id);
  tell("find-error", known ? "" : "An id is authentication- or registration-, then 32 hexadecimal digits.");
  $("find-id").setAttribute("aria-invalid", String(!known));
  if (known) location.hash = id;
  else $("find-id").focus();
}

// --- Drawing ----------------------------------------------------------------------------------------------------------

function drawRows() {
  const wanted = $("outcome").value;
  const shown = ceremonies.filter((ceremony) => !wanted || (ceremony.outcome ?? "running") === wanted);
  $("rows").replaceChildren(...shown.map(row));
  $("table").hidden = shown.length === 0;
  $("empty").hidden = shown.length > 0;
  $("empty").textContent = ceremonies.length ? "None of the recent ceremonies ended like this." : "No ceremony yet. As soon as somebody enrols or signs in, it is listed here.";
  announce(`${shown.length} ${shown.length === 1 ? "ceremony" : "ceremonies"} listed.`);
}

function row(ceremony) {
  const line = document.createElement("tr");
  const outcome = line.insertCell();
  outcome.append(badge(ceremony));
  if (ceremony.reason) outcome.append(made("span", "reason", spaced(ceremony.reason)));
  const what = line.insertCell();
  const link = made("a", "", `${KINDS[ceremony.kind]} `);
  link.href = `#${ceremony.id}`;
  link.append(made("code", "short-id", ceremony.id.split("-")[1].slice(0, 8)));
  what.append(link);
  if (!ceremony.outcome) what.append(made("span", "reason", STAGES[ceremony.stage] ?? spaced(ceremony.stage ?? "starting")));
  const started = line.insertCell();
  started.append(instant(ceremony.createdTime));
  const took = line.insertCell();
  took.className = "wide";
  took.textContent = ceremony.outcome ? roughly(ceremony) : "";
  return line;
}

function drawDetail(ceremony) {
  drawTimeline($("timeline"), ceremony.timeline);
  fillFacts($("summary"), [
    ["Outcome", badge(ceremony)],
    ["Reason", ceremony.reason && spaced(ceremony.reason)],
    ["Stage", ceremony.outcome ? null : (STAGES[ceremony.stage] ?? ceremony.stage)],
    ["Started", instant(ceremony.createdTime)],
    ["Took", ceremony.outcome ? took(ceremony) : null],
    ["Id", made("code", "", ceremony.id)],
  ]);
  const { audit } = ceremony;
  $("audit-missing").hidden = audit !== null;
  $("audit-raw").hidden = audit === null;
  $("audit-json").textContent = audit ? JSON.stringify(audit, null, 2) : "";
  fillFacts($("audit"), audit === null ? [] : [
    ["Person", audit.person],
    ["Passkey", audit.credential_id && made("code", "", audit.credential_id)],
    ["Network", audit.network],
    ["Shard", `${audit.shard}, entry ${audit.seq}`],
    ["Hash", made("code", "", audit.hash)],
    ["Previous", made("code", "", audit.prev)],
  ]);
}

function badge({ outcome }) {
  const [words, tone] = OUTCOMES[outcome] ?? (outcome ? [spaced(outcome), "calm"] : ["Running", "running"]);
  return made("span", `badge ${tone}`, words);
}

function instant(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  const shown = made("time", "", today ? clock(iso).slice(0, 8) : `${at.toLocaleDateString()} ${clock(iso).slice(0, 5)}`);
  shown.dateTime = iso;
  shown.title = at.toLocaleString();
  return shown;
}

/** From the first step to the last; without steps, what the status can tell. */
function took(ceremony) {
  const [first, last] = [ceremony.timeline.at(0), ceremony.timeline.at(-1)];
  return first ? duration(Date.parse(last.at) - Date.parse(first.at)) : roughly(ceremony);
}

/** The status contract gives whole seconds, so nothing finer is claimed. */
function roughly({ createdTime, lastUpdatedTime }) {
  const seconds = Math.round((Date.parse(lastUpdatedTime) - Date.parse(createdTime)) / 1000);
  if (seconds < 1) return "under 1 s";
  return seconds < 60 ? `${seconds} s` : duration(seconds * 1000);
}

function show(view, title, { focus }) {
  for (const name of VIEWS) $(name).hidden = name !== view;
  $("lock").hidden = $("nav").hidden = !key;
  for (const link of $("nav").querySelectorAll("a")) link.toggleAttribute("aria-current", false);
  if (["list", "people"].includes(view)) $("nav").querySelector(view === "list" ? '[href="#"]' : `[href="#${PEOPLE}"]`).setAttribute("aria-current", "page");
  document.title = `${title} · Durable Passkeys`;
  if (focus) $(`${view}-title`).focus();
}

function tell(id, words) {
  tellLine($(id), words);
}

function announce(words) {
  $("announcer").textContent = words;
}

function spaced(code) {
  return code.replaceAll("_", " ");
}
