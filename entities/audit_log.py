"""One shard of the audit trail: entity `audit_log`, key the shard's two digits. The rule is in passkeys/audit.py.

The entity gives each entry its number and chains it, then keeps the finished line until it is in the store.
The store is the record; the entity is what is not there yet, and small.

State: {"v", "seq", "hash": of the last entry; "segment", "position", "appends": the segment that the store's copy ends in,
where it ends there, and how many appends have made it; "pending": [[day, line], …]; "recent": the ends of the ids of the
last ceremonies and acts}. Something is to be flushed when "pending" is not empty.

A segment is a day's, and ends before it is too long to be read at once, or made of too many appends: then the day has
another one. What has ended is sealed before the next begins.
"""

import re
from typing import Any

from azure.durable_functions import DurableEntityContext

from passkeys.acts import ACT_ID
from passkeys.audit import EMPTY, Head, day_of, next_segment, sealed, subject_of
from passkeys.ceremony import CEREMONY_ID

Json = dict[str, Any]

# A signal may come twice: the task hub drops the second one only within its own window of seen messages. So a shard
# knows its last subjects too, and those that are not flushed yet. Whoever may tell again after longer than that, looks first
# (passkeys/audit_search.py).
REMEMBERED = 128
# 64 bits of an id: that another one of the last few hundred ends alike is one chance in 10^16.
_SHORT = 16
# What one flush carries: a batch of lines that fits any backend's message.
BATCH_LINES = 200
MAX_LINE = 16 * 1024
# One append blob takes 50,000 appends; and a segment is read whole, by who looks for an entry in it.
MAX_APPENDS = 10_000
MAX_SEGMENT = 16 * 1024 * 1024
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")
_FORMS = {"ceremony_id": CEREMONY_ID, "act_id": ACT_ID}


def audit_log(context: DurableEntityContext) -> None:
    """Run one operation.

    `record` {an entry without shard, seq, prev and hash} → {"seq"}: once for a ceremony or an act, however
    often sent.
    `pending` → {"shard", "segment", "position", "through_seq", "entries": [line, …], "ended": null | {"segment",
    "position"}}: what to append next, of one segment, and the one to seal before; no entries: nothing. Hand it to
    append_audit as it is.
    `flushed` {"segment", "position", "through_seq"} → {"pending": how many are left}: append_audit's result.

    Raises ValueError for anything else, and for an entry that cannot be recorded; the state stays as it was.
    """
    operation = context.operation_name
    if operation == "record":
        _record(context, context.get_input())
    elif operation == "pending":
        _pending(context)
    elif operation == "flushed":
        _flushed(context, context.get_input())
    else:
        raise ValueError(f"An audit log has no operation {operation!r}: send record, pending or flushed.")


def _record(context: DurableEntityContext, content: Json) -> None:
    member, subject = subject_of(content)
    at: str = content["at"]
    if not (_FORMS[member].match(subject) and _INSTANT.match(at)):
        raise ValueError(
            "An audit entry needs the id of its ceremony or act and the time `at` which that ended, in RFC 3339."
        )
    state: Json = context.get_state(_empty)
    if _is_recorded(state, member, subject):
        context.set_result({"seq": state["seq"]})
        return
    line, head = sealed(content, shard=context.entity_key, head=Head(state["seq"], state["hash"]))
    if len(line) > MAX_LINE:
        raise ValueError(f"An audit entry has at most {MAX_LINE} characters; this one has {len(line)}.")
    # Days never go back: a ceremony that ended a moment before midnight may be told of a moment after another.
    newest: str = state["pending"][-1][0] if state["pending"] else day_of(state["segment"])
    context.set_state(
        {
            **state,
            "seq": head.seq,
            "hash": head.hash,
            "pending": [*state["pending"], [max(newest, at[:10]), line]],
            "recent": [*state["recent"], _short(subject)][-REMEMBERED:],
        }
    )
    context.set_result({"seq": head.seq})


def _pending(context: DurableEntityContext) -> None:
    state: Json = context.get_state(_empty)
    pending: list[list[str]] = state["pending"]
    current, position = state["segment"], state["position"]
    day = pending[0][0] if pending else day_of(current)
    is_full = position >= MAX_SEGMENT or state.get("appends", 0) >= MAX_APPENDS
    segment = day if day != day_of(current) else next_segment(current) if is_full else current
    lines = [line for of_day, line in pending[:BATCH_LINES] if of_day == day]
    has_ended = bool(lines and current) and segment != current
    context.set_result(
        {
            "shard": context.entity_key,
            "segment": segment,
            "position": position if segment == current else 0,
            "through_seq": _flushed_seq(state) + len(lines),
            "entries": lines,
            "ended": {"segment": current, "position": position} if has_ended else None,
        }
    )


def _flushed(context: DurableEntityContext, result: Json) -> None:
    state: Json = context.get_state(_empty)
    done = result["through_seq"] - _flushed_seq(state)
    if done > len(state["pending"]):
        raise ValueError(
            f"Entry {result['through_seq']} was not recorded by this log, which is at {state['seq']}."
        )
    if done <= 0:  # told before
        context.set_result({"pending": len(state["pending"])})
        return
    left = state["pending"][done:]
    appends = state.get("appends", 0) if result["segment"] == state["segment"] else 0
    context.set_state(
        {
            **state,
            "segment": result["segment"],
            "position": result["position"],
            "appends": appends + 1,
            "pending": left,
        }
    )
    context.set_result({"pending": len(left)})


def _is_recorded(state: Json, member: str, subject: str) -> bool:
    # In a line, quotes inside a value are escaped: this text can be the member alone.
    named = f'"{member}":"{subject}"'
    short = _short(subject)
    return any(one.endswith(short) for one in state["recent"]) or any(
        named in line for _, line in state["pending"][:-REMEMBERED]
    )


def _short(subject: str) -> str:
    """The end of the random part: unique by itself, and the state stays small. (It was whole once, and may still be.)"""
    return subject.rpartition("-")[2][-_SHORT:]


def _flushed_seq(state: Json) -> int:
    """The number of the last entry that is in the store."""
    return int(state["seq"]) - len(state["pending"])


def _empty() -> Json:
    return {
        "v": 1,
        "seq": EMPTY.seq,
        "hash": EMPTY.hash,
        "segment": "",
        "position": 0,
        "appends": 0,
        "pending": [],
        "recent": [],
    }
