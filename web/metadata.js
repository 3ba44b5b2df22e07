/** What an operator reads of the metadata of authenticators: one line, and whether something is wrong with it. */

import { clock } from "./timeline.js";

/** @returns {{words: string, wrong: boolean}} no words where no metadata is configured */
export function metadataLine({ configured, metadata, refresh }) {
  if (!configured) return { words: "", wrong: false };
  const last = refreshed(refresh);
  if (!metadata) return { words: `Metadata of authenticators: none yet.${last.words}`, wrong: true };
  const { no, models, nextUpdate, stale } = metadata;
  const due = `${stale ? "its successor was due" : "its successor is due"} on ${new Date(nextUpdate).toLocaleDateString([], { dateStyle: "medium", timeZone: "UTC" })}`;
  return { words: `Metadata of authenticators: number ${no}, ${models} ${models === 1 ? "model" : "models"}; ${due}.${last.words}`, wrong: stale || last.wrong };
}

function refreshed(refresh) {
  if (!refresh?.endedAt) return { words: "", wrong: false };
  const { outcome, reason, endedAt, judged, changed, damaged, complete } = refresh;
  const at = new Date(endedAt).toDateString() === new Date().toDateString() ? clock(endedAt).slice(0, 5) : new Date(endedAt).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const good = ["updated", "unchanged"].includes(outcome);
  const loaded = good ? outcome : `${outcome}, ${(reason ?? "").replaceAll("_", " ")}`;
  const unread = damaged ? `, ${damaged} damaged` : "";
  return {
    words: ` Last refresh ${at}: ${loaded}; ${judged} passkeys judged${complete ? "" : ", not all"}, ${changed} changed${unread}.`,
    wrong: !good || !complete || damaged > 0,
  };
}
