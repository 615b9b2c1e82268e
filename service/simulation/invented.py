"""Invented people: names in many scripts, where they live, what they chose, and what they are like. Pure.

Everything is drawn from the Random that is handed in. Rates are guesses of ours, kept near clinical.md: half of a home
program is done (5.3), a few patients never react, serious warning signs are rare.
"""

import random
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from notifications.preferences import Preferences
from programs.people import Clinic

CLINICS = (
    Clinic("riverside", "Riverside Physical Therapy", "America/New_York", "US", "+1 555 0100"),
    Clinic("norte", "Fisioterapia Norte", "Europe/Madrid", "ES", "+34 555 0100"),
    Clinic("harbour", "Harbour Physio", "Australia/Sydney", "AU", "+61 555 0100"),
    Clinic("signal", "Signal Hill Physiotherapy", "America/St_Johns", "CA", "+1 555 0199"),
)
CLINICIANS = ("Ben Okafor", "Cleo Marchetti", "Noor Haddad")
ELSEWHERE = (
    "Europe/London",
    "Asia/Tokyo",
    "America/Los_Angeles",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Pacific/Auckland",
)

# (given names, family names, whether the family comes first)
_NAMES: tuple[tuple[str, str, bool], ...] = (
    ("Maeve Tobias Priya Hollis Ingrid Desmond", "Whitlock Carrow Ashby Penhale Larkin Stroud", False),
    ("Lucía Iñaki Begoña Andrés Nuria Óscar", "Etxeberria Núñez Carballo Llorente Peña Quiroga", False),
    ("Zoë Łukasz Åsa Björk Siobhán Jürgen", "Żółć Öberg Þórsdóttir Brânză Süßmann D’Arcy", False),
    ("Ελένη Νίκος Σοφία Στάθης Δανάη Ηλίας", "Καρράς Μελάς Ρήγα Λυκούδης Βενέτη Σιδέρης", False),
    ("Олена Иван Мила Тарас Вера Глеб", "Гончар Лесная Бойко Ветров Калина Дубов", False),
    ("נועה איתן תמר יונתן שירה עומר", "ברקאי אלמוג שגב דרור ארזי נבון", False),
    ("ليلى سامي هدى كريم نور رامي", "الحداد منصور الصباغ زيدان النجار فارس", False),
    ("अनीता रोहन मीरा विक्रम काव्या अर्जुन", "शर्मा जोशी वर्मा नायर मेहता राव", False),
    ("สมหญิง กิตติ มาลี อนันต์ ดารา ปรีชา", "ใจดี แสงทอง ศรีสุข วงศ์ดี บุญมา ทองคำ", False),
    ("さくら 健太 美咲 大輔 陽菜 翔", "小林 高橋 森田 石川 中島 松本", True),
    ("민수 지우 서연 하준 은지 도윤", "김 이 박 최 정 강", True),
    ("明 小红 伟 静 志强 丽华", "陈 王 林 赵 黄 周", True),
    ("Văn Ánh Thị Hoa Quốc Bảo", "Nguyễn Trần Phạm Lê Đặng Vũ", True),
    ("Thandiwe Sipho Nomsa Kabelo Zanele Themba", "Nkosi Dlamini Mokoena Khumalo Sithole Ndlovu", False),
)
_MUSCLES = (
    "gluteus medius",
    "gluteus maximus",
    "piriformis",
    "iliopsoas",
    "tensor fasciae latae",
    "hamstrings",
    "rectus femoris",
    "quadratus lumborum",
    "adductor longus",
    "upper trapezius",
    "infraspinatus",
)
PROGRAMS = ("general_hip", "hamstrings_b", "quadriceps_c", "piriformis_b", "adductors_b")
TIMES: tuple[tuple[str, ...], ...] = (("09:00", "18:00"), ("08:30", "17:30"), ("12:30", "19:30"), ("07:30", "20:00"))


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is like. Shares are of 1; `delay` is the mean in minutes from a message to a look at it."""

    looks: float
    answers: float
    exercises: float
    unprompted: float = 0.1
    delay: float = 45
    offline: bool = False  # logs reach us in batches, a day or three later
    sore: int = 4  # 0 to 10, straight after an ordinary visit
    rises: bool = False  # soreness goes up between 24 and 48 h, which is not expected
    alarms: Mapping[str, float] = msgspec.field(default_factory=dict)  # share of check-ins answered so, by tier


RARE = {"emergency": 0.004, "same_day": 0.012}

# (share of patients, what they are like)
KINDS: tuple[tuple[float, Habits], ...] = (
    (0.30, Habits(looks=0.95, answers=0.97, exercises=0.92, unprompted=0.3, delay=25, alarms=RARE)),
    (0.32, Habits(looks=0.75, answers=0.85, exercises=0.65, delay=60, alarms=RARE)),
    (0.12, Habits(looks=0.85, answers=0.9, exercises=0.7, offline=True, alarms=RARE)),
    (0.12, Habits(looks=0.5, answers=0.6, exercises=0.3, unprompted=0, delay=120, sore=6, alarms=RARE)),
    (0.08, Habits(looks=0.9, answers=0.95, exercises=0.4, sore=6, rises=True, alarms=RARE)),
    (0.06, Habits(looks=0, answers=0, exercises=0, unprompted=0)),
)


class Person(msgspec.Struct, frozen=True):
    """One invented patient; `zone` is where they begin."""

    clinic: Clinic
    id: str
    name: str
    clinician: str
    zone: str
    chosen: Preferences
    habits: Habits
    channels: tuple[str, ...]


class Program(NamedTuple):
    """What a clinician assigns: a template of the library, at times of day, for so many days."""

    template: str
    times: tuple[str, ...]
    days: int


def clinicians(clinic: Clinic) -> dict[str, str]:
    """Id -> name; the same three names everywhere, as each clinic is its own world."""
    return {f"{clinic.id}-{name.partition(' ')[0].lower()}": name for name in CLINICIANS}


def person(number: int, chance: random.Random) -> Person:
    """The patient with this number, one clinic after the other."""
    clinic = CLINICS[number % len(CLINICS)]
    early, late = chance.choice((("08:00", "21:00"), ("08:00", "21:00"), ("07:00", "20:00"), ("09:00", "22:30")))
    language = "es" if clinic.country == "ES" else "en"
    chosen = Preferences(
        language=language, allowed_from=early, allowed_until=late, most_a_day=chance.choice((1, 2, 2, 3))
    )
    return Person(
        clinic,
        f"{clinic.id}-{number:04}",
        name(number),
        chance.choice(list(clinicians(clinic))),
        chance.choice(ELSEWHERE) if chance.random() < 0.06 else clinic.zone,
        chosen,
        habits(chance),
        chance.choice((("web_push",), ("web_push",), ("email",), ("web_push", "email"))),
    )


def habits(chance: random.Random) -> Habits:
    return chance.choices([kind for _, kind in KINDS], [share for share, _ in KINDS])[0]


def name(number: int) -> str:
    """Another one for each number, up to some hundreds; every clinic has names of all scripts."""
    number += number // len(CLINICS)
    pair, script = divmod(number, len(_NAMES))
    given, family, family_first = _NAMES[script]
    names = given.split()[pair % 6], family.split()[(pair + pair // 6) % 6]
    return " ".join(reversed(names) if family_first else names)


def muscles(chance: random.Random) -> tuple[str, ...]:
    return tuple(chance.sample(_MUSCLES, chance.choice((1, 2, 2, 3))))


def program(chance: random.Random) -> Program:
    return Program(chance.choice(PROGRAMS), chance.choice(TIMES), chance.choice((21, 28, 42)))
