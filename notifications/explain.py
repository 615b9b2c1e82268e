"""explain: the reasons of an agenda, as sentences for a clinician. Pure; it decides nothing."""

from collections.abc import Mapping

from notifications.agenda import Reason
from notifications.timing import Zone
from programs.schedule import DAY_MINUTES, day_of, time_of

# Codes that end in a word of another list (a step, a tier) are written out, so that a test can hold them against it.
SENTENCES: Mapping[str, str] = {
    "step_evening": "The check-in of the same evening, about 6 hours after the needling session.",
    "step_day1": "The check-in 24 hours after the needling session.",
    "step_day2": "The check-in 48 hours after the needling session.",
    "step_day3": "The check-in 72 hours after the needling session, as it was still sore at 48 hours.",
    "step_day7": "The infection check 7 days after the needling session.",
    "unanswered": "A reminder in case the check-in of {at} is not answered.",
    "time_of_day": "The time of day chosen in the plan.",
    "moved_allowed_hours": "Moved from {at}, which is outside the patient's allowed hours.",
    "moved_window": "Moved from {at}, to where its window and the allowed hours meet.",
    "caught_up": "Late: it should have gone out at {at}, and was caught up while its window was open.",
    "shifted": "Late: it should have been asked at {at}, and was given a later window, as its step says.",
    "snoozed": "The patient asked at {at} to be reminded again later.",
    "merged": "Together with what would have come at {at}, so that there is one message instead of two.",
    "flag_emergency": "An answer raised an emergency flag at {at}.",
    "flag_same_day": "An answer raised a same-day flag at {at}.",
    "break_glass": "A colleague opened the record of a patient they do not treat, at {at}.",
    "nobody_acknowledged": "Nobody had acknowledged it by {at}.",
    # why there is none
    "conditional": "Asked only if it is still sore at 48 hours.",
    "not_needed": "Not asked, as it was no longer sore at 48 hours.",
    "answered": "Already answered.",
    "cancelled": "The needling session was cancelled.",
    "already_sent": "Already sent.",
    "window_over": "Its window is over.",
    "no_allowed_hour": "Its window has no allowed hour in it.",
    "reminders_off": "The patient has turned reminders off.",
    "nudges_off": "The patient has turned reminders of unanswered check-ins off.",
    "check_ins_off": "The patient has turned messages about check-ins off.",
    "skipped_late": "Not asked, as it would have come too late.",
    "held": "The plan is on hold then.",
    "logged": "The patient has already recorded it.",
    "thinned_out": "Fewer reminders are sent while the patient does not react to them.",
    "daily_limit": "The patient's limit of messages a day is reached.",
    "no_consent": "The patient has not agreed to be sent messages.",
    "discharged": "The patient is discharged.",
    "no_address": "The patient cannot be reached by any channel.",
    "refused": "The provider refused the message.",
    "quarantined": "A fault of the software kept it from being sent. Whoever runs the server has been told.",
    "restored": "A back-up was put back, and it may have been sent before. Whoever runs the server decides.",
}


# How a message stands, by its state, before what follows from the reason.
ENDINGS: Mapping[str, str] = {
    "pending": "It waits for its time, {at}.",
    "in_flight": "It is being sent this moment.",
    "awaiting": "A provider took it. The app has not confirmed it so far; that is looked at again at {at}.",
    "quarantined": "It could not be worked on time after time, and waits for whoever runs the server.",
    "restored": "A back-up was put back. It waits for whoever runs the server.",
    "accepted": "A provider took it.",
    "answered": "It was answered before it had to go out, or go out again.",
    "expired": "It was not sent in time.",
    "cancelled": "It was not sent.",
    "suppressed": "It was not sent.",
    "failed": "It could not be sent.",
}
# Reasons that only an ended message has.
WHY_ENDED: Mapping[str, str] = {
    "confirmed": "The app confirmed it.",
    "no_receipt": "Nobody knows whether it was seen: the app confirmed nothing.",
    "past": "Its time had passed.",
    "withdrawn": "What it was about is no longer planned.",
    "acknowledged": "Somebody had acknowledged the flag.",
    "left": "They no longer work at the clinic.",
    "absorbed": "It became part of another message.",
}
CHANNEL = "It went by {channel}, and nobody waits for a word about it: whether it was seen is not known."


def ending(state: str, reason: str, at: int, zone: Zone) -> str:
    """How a message stands, in a sentence or two; `at` is when it is looked at next."""
    said = ENDINGS.get(state, state.replace("_", " ") + ".").format(at=clock(at, zone))
    code = "absorbed" if reason == "merged" else reason
    if not reason or reason == state:
        return said
    if state == "accepted" and reason not in WHY_ENDED and reason not in SENTENCES:
        return f"{said} {CHANNEL.format(channel=reason.replace('_', ' '))}"
    return f"{said} {WHY_ENDED.get(code) or say(Reason(code), zone)}"


def say(reason: Reason, zone: Zone) -> str:
    """One sentence; a code without one is shown as it is, as a reason unexplained is better than none."""
    sentence = SENTENCES.get(reason.code, reason.code.replace("_", " ") + ".")
    return sentence.format(at=clock(reason.at, zone)) if "{at}" in sentence else sentence


def clock(at: int, zone: Zone) -> str:
    """ "Mon 1 June 17:00" on the patient's own clock."""
    wall = zone.minutes(at)
    day = day_of(wall - wall % DAY_MINUTES)
    return f"{day.strftime('%a')} {day.day} {day.strftime('%B')} {time_of(wall)}"
