"""What a clinic decides about the rules of triage: approve a version of one, or switch one off, for a reason.

Nobody edits a threshold: a rule is as it is written, read and approved, or it is off. An emergency rule cannot be
switched off alone; whoever does not want it switches the whole module off, which says so everywhere (care.py).
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select

from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.instants import Instant, say
from programs.tables import clinic as clinics
from programs.tables import rule_decision
from programs.triage import NOT_APPROVED, RULE, RULES, Rule, Standing, approver

LONGEST_REASON = 500


class Author(NamedTuple):
    """Who decides, as it will be read years later."""

    by: str
    name: str
    at: Instant


class Decided(NamedTuple):
    """A rule with what stands for it at a clinic; `approved_version` "" before anybody approved any."""

    rule: Rule
    off: bool
    off_reason: str
    approved_version: str
    approved_by: str  # of the version there is now, else NOT_APPROVED
    name: str
    decided_at: Instant | None


_DECISIONS = (
    select(rule_decision)
    .where(rule_decision.c.clinic_id == bindparam("clinic"))
    .order_by(rule_decision.c.rule, rule_decision.c.number)
)
# Two who decide at once would both write the same number.
_LOCK = select(clinics.c.clinic_id).where(clinics.c.clinic_id == bindparam("clinic")).with_for_update()


def decided(db: Connection, clinic: str) -> list[Decided]:
    """Every rule, worst tier first, with what this clinic decided."""
    rows: dict[str, list[Any]] = {}
    for row in db.execute(_DECISIONS, {"clinic": clinic}):
        rows.setdefault(row.rule, []).append(row)
    return [_decided(rule, rows.get(rule.id, [])) for rule in RULES]


def standing(db: Connection, clinic: str) -> dict[str, Standing]:
    """What triage has to know of it."""
    return {
        it.rule.id: Standing(it.approved_version, it.approved_by, it.off)
        for it in decided(db, clinic)
        if it.decided_at is not None
    }


def _decided(rule: Rule, rows: list[Any]) -> Decided:
    approved = next((row for row in reversed(rows) if row.decision == "approved"), None)
    switched = next((row for row in reversed(rows) if row.decision in ("on", "off")), None)
    off = switched is not None and switched.decision == "off"
    version = approved.rule_version if approved else ""
    by = f"{approved.name}, {say(approved.decided_at)[:10]}" if approved else NOT_APPROVED
    return Decided(
        rule,
        off,
        switched.reason if switched and off else "",
        version,
        approver(rule, Standing(version, by)),
        rows[-1].name if rows else "",
        rows[-1].decided_at if rows else None,
    )


def approve(db: Connection, clinic: str, id: str, version: str, author: Author) -> Decided:
    """Raises Conflict if the rule is no longer the one they read. Approving again changes nothing."""
    rule = _rule(id)
    db.execute(_LOCK, {"clinic": clinic})
    if version != rule.version:
        raise Conflict(f"rule {id} is at version {rule.version}", "This rule has changed. Read it again first.")
    if _now(db, clinic, rule).approved_version != version:
        _note(db, clinic, rule, "approved", "", author)
    return _now(db, clinic, rule)


def switch(db: Connection, clinic: str, id: str, on: bool, reason: str, author: Author) -> Decided:
    rule, reason = _rule(id), reason.strip()
    if not on and rule.tier == "emergency":
        raise Conflict(
            f"rule {id} is an emergency rule",
            "An emergency rule cannot be switched off alone. You can switch off all of triage.",
        )
    if not on and not 1 <= len(reason) <= LONGEST_REASON:
        raise Invalid("reason", f"must be from 1 to {LONGEST_REASON} characters", "Your colleagues will read it.")
    db.execute(_LOCK, {"clinic": clinic})
    if _now(db, clinic, rule).off is on:
        _note(db, clinic, rule, "on" if on else "off", reason, author)
    return _now(db, clinic, rule)


def _rule(id: str) -> Rule:
    if id not in RULE:
        raise NoSuchRecord("rule", id)
    return RULE[id]


def _now(db: Connection, clinic: str, rule: Rule) -> Decided:
    return next(it for it in decided(db, clinic) if it.rule is rule)


def _note(db: Connection, clinic: str, rule: Rule, decision: str, reason: str, author: Author) -> None:
    rows = db.execute(_DECISIONS, {"clinic": clinic}).all()
    row = {"clinic_id": clinic, "rule": rule.id, "number": 1 + sum(it.rule == rule.id for it in rows)}
    row |= {"rule_version": rule.version, "decision": decision, "reason": reason}
    db.execute(insert(rule_decision), {**row, "decided_by": author.by, "name": author.name, "decided_at": author.at})
