"""Every reason the agenda can give has a sentence, found by reading the agenda's own source."""

import ast
import inspect
import itertools

from notifications import agenda, alerts, outbox, settling, timing
from notifications.agenda import Reason
from notifications.explain import ENDINGS as HOW
from notifications.explain import SENTENCES, WHY_ENDED, ending, say
from notifications.tables import STATES, due
from notifications.timing import zone
from programs.aftercare import STEPS
from programs.instants import HOUR
from programs.tables import check_in
from programs.triage import TIERS
from tests.world import NOON

NEW_YORK = zone("America/New_York")
PUT_BY = ("why_not", "code")
# What may stand behind the prefix of a code that is put together.
ENDINGS = {"step_": STEPS, "moved_": ("allowed_hours", "window"), "flag_": alerts.AT_ONCE}


LIVING = next(str(it.sqltext) for it in due.constraints if "state" in str(getattr(it, "sqltext", ""))).split("'")[1::2]  # type: ignore[attr-defined]


def given(module: object) -> set[str]:
    """The codes a module makes: what Reason is given, what a function of why-nots returns, what is put by as a code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):  # type: ignore[arg-type]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Reason" and node.args:
            found |= words(node.args[0])
        if isinstance(node, ast.FunctionDef) and node.name.startswith("_not_"):
            returned = (one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None)
            found |= set(itertools.chain.from_iterable(words(one) for one in returned))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in PUT_BY:
            found |= words(node.value)
    return found


def words(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant):
        return {str(node.value)} - {""}
    if isinstance(node, ast.JoinedStr):
        prefix = node.values[0]
        assert isinstance(prefix, ast.Constant)
        return {f"{prefix.value!s}{ending}" for ending in ENDINGS[str(prefix.value)]}
    if isinstance(node, ast.IfExp):
        return words(node.body) | words(node.orelse)
    if isinstance(node, ast.BoolOp):
        return set().union(*(words(one) for one in node.values))
    return set()


def states() -> set[str]:
    """A check-in that is not open is omitted for its state."""
    (constraint,) = [it for it in check_in.constraints if "state" in str(getattr(it, "sqltext", ""))]
    return set(str(constraint.sqltext).split("'")[1::2]) - {"open"}  # type: ignore[attr-defined]


def test_every_reason_of_the_agenda_has_a_sentence() -> None:
    found = given(agenda) | given(alerts)
    assert {"step_evening", "moved_window", "merged", "daily_limit", "held", "thinned_out", "flag_emergency"} <= found
    assert found - set(SENTENCES) == set()


def test_every_state_silence_and_failure_that_becomes_a_reason_has_a_sentence() -> None:
    assert states() == {"conditional", "answered", "not_needed", "cancelled"}
    elsewhere = {"discharged": outbox, "no_consent": outbox, "no_address": settling, "refused": settling}
    for code, module in elsewhere.items():
        assert f'"{code}"' in inspect.getsource(module)
    assert (states() | set(elsewhere)) - set(SENTENCES) == set()


def test_a_sentence_says_the_time_on_the_patients_own_clock() -> None:
    assert say(Reason("merged", NOON + 5 * HOUR, "x"), NEW_YORK) == (
        "Together with what would have come at Mon 1 June 17:00, so that there is one message instead of two."
    )


def test_every_sentence_is_one() -> None:
    for code in SENTENCES:
        text = say(Reason(code, NOON), NEW_YORK)
        assert text.endswith(".")
        assert text[0].isupper()
        assert "{" not in text


def test_every_way_to_end_is_said_and_none_of_them_is_called_delivered() -> None:
    states = {*STATES, *LIVING}
    assert set(HOW) == states
    for state in states:
        for reason in {"", "email", *outbox.ENDS, *WHY_ENDED, *SENTENCES}:
            said = ending(state, reason, NOON, NEW_YORK)
            assert said.endswith(".")
            assert "{" not in said
            assert "deliver" not in said.lower()
    assert ending("accepted", "no_receipt", 0, NEW_YORK) == (
        "A provider took it. Nobody knows whether it was seen: the app confirmed nothing."
    )
    assert ending("awaiting", "", NOON + HOUR, NEW_YORK).endswith("looked at again at Mon 1 June 13:00.")
    assert set(outbox.ENDS) <= set(SENTENCES) | set(WHY_ENDED)


def test_a_reason_without_a_sentence_is_better_shown_than_not() -> None:
    assert say(Reason("moon_phase"), NEW_YORK) == "moon phase."


def test_what_moved_has_been_thought_of() -> None:
    assert {f"moved_{how}" for how in ENDINGS["moved_"]} <= set(SENTENCES)
    for how in ENDINGS["moved_"]:
        assert f'"{how}"' in inspect.getsource(timing)
    assert set(alerts.AT_ONCE) <= set(TIERS)
