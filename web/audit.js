/** What an operator reads of the audit trail: one line, and whether something is wrong with it. */

import { clock } from "./timeline.js";

/** @param {{standing: string, pending: number, oldestAt: string | null}} audit @returns {{words: string, wrong: boolean}} */
export function auditLine({ standing, pending, oldestAt }) {
  if (standing === "kept_up") return { words: "Audit trail: up to date.", wrong: false };
  const since = `Audit trail: ${pending} entries wait for the store, since ${clock(oldestAt).slice(0, 8)}.`;
  return { words: standing === "full" ? `${since} Nothing new begins until they are written.` : since, wrong: true };
}
