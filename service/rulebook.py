"""What a clinic decides about triage, each the verbs of one transaction: rules approved and switched, who is told next.

What a rule does is programs/triage.py; who may decide stands in access.py.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from notifications import addresses, escalation
from programs import people, rules
from programs.emergency import emergency_number
from programs.errors import Invalid
from programs.instants import Instant
from programs.people import ClinicSettings, TriageOff, Watch
from programs.rules import Author
from programs.triage import NOT_APPROVED
from service import audit
from service.care import Who


def approve_rules(db: Connection, who: Who, versions: Mapping[str, str], now: Instant) -> None:
    """Rule id -> the version that was read; all of them or none."""
    author = _author(db, who, now)
    for id, version in versions.items():
        rules.approve(db, who.clinic, id, version, author)
        audit.note(db, who.clinic, str(who), f"approve version {version} of rule", "", id, now)


def switch_rule(db: Connection, who: Who, id: str, on: bool, reason: str, now: Instant) -> None:
    rules.switch(db, who.clinic, id, on, reason, _author(db, who, now))
    audit.note(db, who.clinic, str(who), f"switch rule {'on' if on else 'off'}", "", id, now)


def switch_triage(db: Connection, who: Who, on: bool, reason: str, now: Instant) -> ClinicSettings:
    """Off, answers are kept and shown as they are, and nothing is read into them. Flags that were raised stay."""
    reason = reason.strip()
    if not on and not 1 <= len(reason) <= rules.LONGEST_REASON:
        raise Invalid("reason", f"must be from 1 to {rules.LONGEST_REASON} characters", "Your colleagues will read it.")
    off = None if on else TriageOff(reason, _author(db, who, now).name, now)
    audit.note(db, who.clinic, str(who), f"switch triage {'on' if on else 'off'}", "", who.clinic, now)
    return people.change_settings(db, who.clinic, {"triage_off": off})


def set_watch(db: Connection, who: Who, it: Watch, now: Instant) -> ClinicSettings:
    """How long flags may wait and who is told next; it holds for flags raised from now on."""
    escalation.check(it, {one.id for one in people.staff_of(db, who.clinic) if one.ended_at is None})
    audit.note(db, who.clinic, str(who), "change who is told of flags", "", who.clinic, now)
    return people.change_settings(db, who.clinic, {"watch": it})


def set_on_call(db: Connection, who: Who, mailbox: str, now: Instant) -> None:
    """The clinic's on-call address, which "on-call" in the chain stands for."""
    addresses.put_address(db, who.clinic, escalation.ON_CALL, escalation.ON_CALL, "email", {"mailbox": mailbox}, now)
    audit.note(db, who.clinic, str(who), "change on-call address", "", escalation.ON_CALL, now)


def warnings(db: Connection, clinic: str) -> list[str]:
    """What is still missing before a clinic relies on its flags."""
    it = people.clinic_of(db, clinic)
    found = []
    if not it.settings.triage_off and any(one.approved_by == NOT_APPROVED for one in rules.decided(db, clinic)):
        found.append("Some rules are not yet approved by a clinician.")
    staff = [one for one in people.staff_of(db, clinic) if one.ended_at is None]
    fallback = it.settings.watch.chain or [one.id for one in staff if one.role == "admin"]
    if not fallback:
        found.append("Nobody is named to be told when a clinician does not acknowledge a flag.")
    people_told = [*(one.id for one in staff), *fallback]
    unreachable = set(people_told) - set(addresses.living(db, clinic, people_told))
    if unreachable:
        names = sorted({one.id: one.name for one in staff}.get(id, "the on-call address") for id in unreachable)
        found.append(f"No message about a flag reaches {', '.join(names)}.")
    admins = {one.id for one in staff if one.role == "admin"}
    if not it.settings.clinicians_see_all and set(fallback) - admins - {escalation.ON_CALL}:
        found.append("Who is told next may not see the patient: clinicians here see only those they treat.")
    if not emergency_number(it.country):
        found.append("The emergency number of your country is not known here; patients read words instead of a number.")
    if not it.phone:
        found.append("Your clinic has no phone number here for patients to call.")
    return found


def _author(db: Connection, who: Who, now: Instant) -> Author:
    return Author(str(who), people.clinician_of(db, who.clinic, who.id), now)
