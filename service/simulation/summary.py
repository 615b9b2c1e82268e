"""What came of a simulation, as a page of text. The same simulation always gives the same page."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from statistics import median

import msgspec
from sqlalchemy import Connection

from notifications.tables import STATES
from programs import adherence, checkins
from programs.adherence import ITEM_STATES, Adherence
from programs.checkins import Flag
from programs.instants import HOUR, MINUTE, Instant
from programs.triage import TIERS
from service import counting
from service.care import Who
from service.database import Database
from service.simulation.journal import order
from service.simulation.proof import Check, Proof
from service.simulation.script import Span

KINDS = {"check_in": "check-in", "nudge": "nudge", "bout": "reminder", "alert": "alert to clinician"}
STEPS = {"evening": "same evening", "day1": "24 h", "day2": "48 h", "day3": "72 h, if sore", "day7": "day 7"}
BANDS = ("on track", "partial", "low", "not enough data")
MOST_SHOWN = 10  # of what is broken


class Records(msgspec.Struct, frozen=True):
    """What the summary needs of the database beside its messages."""

    flags: list[Flag]
    adherence: Adherence
    bands: Counter[str]


class Summary(msgspec.Struct, frozen=True):
    """`text` is the page; `broken` says whether anything that must hold did not."""

    text: str
    checks: list[Check]

    @property
    def broken(self) -> bool:
        return any(check.broken for check in self.checks)


async def records(db: Database, patients: Sequence[Who], span: Span, now: Instant) -> Records:
    clinics = sorted({who.clinic for who in patients})
    flags = [it for clinic in clinics for it in await db.at(clinic).read(_flags, clinic)]
    first, last = date.fromordinal(span.first), date.fromordinal(span.last - 1)
    ledgers = [
        await db.at(who.clinic).read(counting.patient_ledger, who.clinic, who.id, first, last, now) for who in patients
    ]
    bands = Counter(adherence.sum_up(items).band for items in ledgers if items)
    return Records(flags, adherence.sum_up([item for items in ledgers for item in items]), bands)


def _flags(db: Connection, clinic: str) -> list[Flag]:
    return checkins.flags_of(db, clinic, count=1_000_000)


def summarize(title: str, proof: Proof, span: Span, found: Records, remarks: Sequence[str] = ()) -> Summary:
    checks = proof.checks()
    parts = (
        [title, *remarks],
        _outcomes(proof),
        _reasons(proof),
        _per_day(proof, span),
        _lateness(proof),
        _check_ins(proof),
        _flag_table(found.flags),
        _adherence(found),
        _invariants(checks),
    )
    return Summary("\n\n".join("\n".join(part) for part in parts) + "\n", checks)


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of text; the first column is words, the others are figures. The first row is the heading."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(it.rjust(width) for it, width in zip(row[1:], widths[1:], strict=True))])
        for row in cells
    ]
    return [lines[0].rstrip(), "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])]


def _outcomes(proof: Proof) -> list[str]:
    states = ("pending", *STATES)
    counts = Counter((it.kind, it.state) for it in proof.messages)
    rows = [[name, *(counts[kind, state] for state in states)] for kind, name in KINDS.items()]
    rows.append(["all", *(sum(counts[kind, state] for kind in KINDS) for state in states)])
    merged = sum(len(it.subjects) > 1 for it in proof.messages if it.taken)
    return [
        *table([["messages", *states], *rows]),
        f"{merged:,} of those accepted said several things at once.",
    ]


def _reasons(proof: Proof) -> list[str]:
    counts = Counter((it.state, it.reason.replace("_", " ")) for it in proof.messages if it.reason)
    return table(
        [["why they ended", "messages"], *([f"{state}: {why}", n] for (state, why), n in sorted(counts.items()))]
    )


def _per_day(proof: Proof, span: Span) -> list[str]:
    """Over each patient's local dates from the day on which they were enrolled."""
    sent: Counter[tuple[Who, int]] = Counter()
    for who, at in sorted(
        {(it.sent.who, it.sent.at) for it in proof.to_patients}, key=lambda it: (order(it[0]), it[1])
    ):
        sent[who, proof.local(who, at).toordinal()] += 1
    begun = {who: proof.local(who, zones[0][0]).toordinal() for who, zones in proof.journal.zones.items()}
    days = Counter(sent[who, day] for who, first in begun.items() for day in range(first, span.last))
    total = sum(days.values()) or 1
    rows = [[f"{count}", n, f"{100 * n / total:.1f} %"] for count, n in sorted(days.items())]
    return table([["messages to a patient in a day", "days", "share"], *rows])


def _lateness(proof: Proof) -> list[str]:
    first: dict[str, Instant] = {}
    for it in proof.delivered:
        first.setdefault(it.message.id, it.sent.at - it.message.planned_for)
    late = [by for by in first.values() if by > 0]
    down = [(end - start) // MINUTE for windows in proof.journal.outages.values() for start, end in windows]
    return [
        f"lateness: {len(first) - len(late):,} messages on time, {len(late):,} late, the latest by "
        f"{max(late, default=0) / MINUTE:.1f} min.",
        f"A provider was down {len(down)} times (simulated), for {max(down, default=0)} min at the most.",
    ]


def _check_ins(proof: Proof) -> list[str]:
    asked, nudged = proof.subjects("check_in"), proof.subjects("nudge")
    first: dict[str, Instant] = {}
    for it in proof.journal.answered:
        first.setdefault(it.check_in, it.at)
    rows: list[list[object]] = []
    for step, name in STEPS.items():
        mine = [id for id in asked if id.endswith(f"-{step}")]
        answered = [id for id in mine if id in first]
        waits = [(first[id] - asked[id]) / HOUR for id in answered]
        share = f"{100 * len(answered) / len(mine):.0f} %" if mine else ""
        wait = f"{median(waits):.1f} h" if waits else ""
        rows.append([name, len(mine), sum(id in nudged for id in mine), len(answered), share, wait])
    return table([["check-ins", "asked", "nudged", "answered", "share", "median wait"], *rows])


def _flag_table(flags: Sequence[Flag]) -> list[str]:
    rows: list[list[object]] = []
    for tier in TIERS:
        mine = [it for it in flags if it.tier == tier]
        waits = [(it.acknowledged_at - it.raised_at) / MINUTE for it in mine if it.acknowledged_at is not None]
        rows.append([tier.replace("_", " "), len(mine), len(waits), f"{median(waits):,.0f} min" if waits else ""])
    return table([["flags", "raised", "acknowledged", "median wait"], *rows])


def _adherence(found: Records) -> list[str]:
    counts = found.adherence.counts
    percent = found.adherence.percent
    number = "not enough data" if percent is None else f"{percent} %"
    return [
        f"adherence, as patients reported it: {number} of {found.adherence.n:,} exercise days",
        "items: "
        + ", ".join(f"{counts[state]:,} {state.replace('_', ' ')}" for state in ITEM_STATES if state in counts),
        "patients: " + ", ".join(f"{found.bands[band]:,} {band}" for band in BANDS),
    ]


def _invariants(checks: Sequence[Check]) -> list[str]:
    lines = table([["what must hold", "looked at", "broken"], *([it.name, it.cases, len(it.broken)] for it in checks)])
    for check in checks:
        lines += [f"BROKEN: {line}" for line in check.broken[:MOST_SHOWN]]
    return lines
