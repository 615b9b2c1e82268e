"""The muscles clinics needle, each with its region and what is at risk near it; what is asked then is questions.py."""

from functools import cache
from typing import Literal

import msgspec

from programs.errors import Invalid, did_you_mean

Region = Literal[
    "hip", "thigh", "low back", "shoulder and neck", "upper back", "chest", "abdomen", "lower leg", "arm", "head"
]
Tag = Literal["pleura", "kidney_peritoneum", "deep_bleed", "sciatic", "femoral", "lat_fem_cut"]

# Where each tag's list of muscles was found. `implant_near` of 2.3 hangs on the patient, not on the muscle.
TAG_SOURCES: dict[Tag, str] = {
    "pleura": "clinical.md 2.3: Halle & Halle 2016 Part 1 [K], Part 2 [S]; QL: AHPCSA Board Notice 121 s.5.1-5.2 [S]",
    "kidney_peritoneum": "clinical.md 2.3: Halle & Halle 2016 Part 2 [S]; López-Castellanos 2022 [S]",
    "deep_bleed": "clinical.md 2.3: APTA caution in doi:10.1155/2022/1363477 [S]; muscle list [K]",
    "sciatic": "clinical.md 2.3: [K] Halle & Halle 2016 Part 2",
    "femoral": "clinical.md 2.3: [K]",
    "lat_fem_cut": "clinical.md 2.3: [K]",
}
# Not on the list of 2.3, yet asked about breathing: lungs were hurt from the back of the neck and of the shoulder.
NEAR_PLEURA = "clinical.md 2.2: posterior neck and posterior shoulder cases [S]; 1.3 chest/neck/shoulder [S2]; tag [P]"
ANATOMY = "anatomy [K]; no risk tag in clinical.md 2.3"


class Muscle(msgspec.Struct, frozen=True):
    """`also` are the other names that mean this one and no other.

    A group ("hamstrings") is for records that do not say which of it; it carries the tags of all.
    """

    id: str
    region: Region
    tags: frozenset[Tag]
    source: str
    also: tuple[str, ...] = ()


def _muscle(id: str, region: Region, *tags: Tag, also: tuple[str, ...] = (), source: str = "") -> Muscle:
    return Muscle(id, region, frozenset(tags), source or "; ".join(TAG_SOURCES[tag] for tag in tags) or ANATOMY, also)


MUSCLES: tuple[Muscle, ...] = (
    _muscle("gluteus maximus", "hip", "sciatic", also=("glute max", "gmax", "glut max")),
    _muscle("gluteus medius", "hip", also=("glute med", "gmed", "glut med")),
    _muscle("gluteus minimus", "hip", "deep_bleed", also=("glute min", "gmin", "glut min")),
    _muscle("gluteals", "hip", "sciatic", "deep_bleed", also=("glutes", "gluteal")),
    _muscle("piriformis", "hip", "deep_bleed", "sciatic"),
    _muscle("obturator internus", "hip", "deep_bleed"),
    _muscle("gemelli", "hip", "deep_bleed", also=("gemellus superior", "gemellus inferior")),
    _muscle("quadratus femoris", "hip", "deep_bleed"),
    _muscle("deep hip rotators", "hip", "deep_bleed", "sciatic", also=("deep rotators", "hip rotators")),
    _muscle("tensor fasciae latae", "hip", "lat_fem_cut", also=("TFL", "tensor fascia lata", "tensor fascia latae")),
    _muscle(
        "iliopsoas",
        "hip",
        "kidney_peritoneum",
        "deep_bleed",
        "femoral",
        also=("psoas", "psoas major", "iliacus", "hip flexor", "hip flexors"),
    ),
    _muscle("rectus femoris", "thigh", "femoral"),
    _muscle("vastus lateralis", "thigh", also=("VL",)),
    _muscle("vastus medialis", "thigh", also=("VMO", "vastus medialis oblique")),
    _muscle("vastus intermedius", "thigh"),
    _muscle("quadriceps", "thigh", "femoral", also=("quads", "quad", "quadriceps femoris")),
    _muscle("sartorius", "thigh", "femoral", "lat_fem_cut"),
    _muscle("biceps femoris", "thigh", "sciatic", also=("lateral hamstring",)),
    _muscle("semitendinosus", "thigh", "sciatic"),
    _muscle("semimembranosus", "thigh", "sciatic"),
    _muscle("hamstrings", "thigh", "sciatic", also=("hamstring", "hams", "medial hamstrings")),
    _muscle("adductor longus", "thigh", "femoral"),
    _muscle("adductor brevis", "thigh", "femoral"),
    _muscle("adductor magnus", "thigh", "femoral"),
    _muscle("gracilis", "thigh", "femoral"),
    _muscle("pectineus", "thigh", "femoral"),
    _muscle("adductors", "thigh", "femoral", also=("adductor", "hip adductors")),
    _muscle("quadratus lumborum", "low back", "pleura", "kidney_peritoneum", "deep_bleed", also=("QL",)),
    _muscle("iliocostalis lumborum", "low back", "kidney_peritoneum"),
    _muscle("longissimus lumborum", "low back"),
    _muscle("lumbar multifidus", "low back", also=("lumbar multifidi",)),
    _muscle("lumbar paraspinals", "low back", "kidney_peritoneum", also=("lumbar erector spinae",)),
    # Without a level it may have been beside the ribs.
    _muscle("multifidus", "low back", "pleura", also=("multifidi",)),
    _muscle(
        "paraspinals", "low back", "pleura", "kidney_peritoneum", also=("erector spinae", "iliocostalis", "longissimus")
    ),
    _muscle("iliocostalis thoracis", "upper back", "pleura"),
    _muscle("longissimus thoracis", "upper back", "pleura"),
    _muscle("thoracic multifidus", "upper back", "pleura", also=("thoracic multifidi",)),
    _muscle("thoracic paraspinals", "upper back", "pleura", also=("thoracic erector spinae",)),
    _muscle("rhomboid major", "upper back", "pleura"),
    _muscle("rhomboid minor", "upper back", "pleura"),
    _muscle("rhomboids", "upper back", "pleura", also=("rhomboid",)),
    _muscle("middle trapezius", "upper back", "pleura", also=("mid trap", "middle trap", "mid trapezius")),
    _muscle("lower trapezius", "upper back", "pleura", also=("lower trap", "lower traps")),
    _muscle("latissimus dorsi", "upper back", "pleura", also=("lats", "lat", "latissimus")),
    _muscle("serratus posterior superior", "upper back", "pleura"),
    _muscle("serratus posterior inferior", "upper back", "pleura"),
    _muscle("upper trapezius", "shoulder and neck", "pleura", also=("upper trap", "upper traps", "UT")),
    _muscle("trapezius", "shoulder and neck", "pleura", also=("trap", "traps")),
    _muscle("levator scapulae", "shoulder and neck", "pleura", also=("levator scap", "levator scapula")),
    _muscle("supraspinatus", "shoulder and neck", "pleura"),
    _muscle("infraspinatus", "shoulder and neck", "pleura"),
    _muscle("subscapularis", "shoulder and neck", "pleura", also=("subscap",)),
    _muscle("teres major", "shoulder and neck", "pleura", source=NEAR_PLEURA),
    _muscle("teres minor", "shoulder and neck", "pleura", source=NEAR_PLEURA),
    _muscle("rotator cuff", "shoulder and neck", "pleura"),
    _muscle("deltoid", "shoulder and neck", also=("anterior deltoid", "middle deltoid", "posterior deltoid", "delts")),
    _muscle("scalenes", "shoulder and neck", "pleura", also=("scalene", "anterior scalene", "middle scalene")),
    _muscle("sternocleidomastoid", "shoulder and neck", "pleura", also=("SCM",), source=NEAR_PLEURA),
    _muscle("splenius capitis", "shoulder and neck", "pleura", source=NEAR_PLEURA),
    _muscle("splenius cervicis", "shoulder and neck", "pleura", source=NEAR_PLEURA),
    _muscle("semispinalis capitis", "shoulder and neck", "pleura", source=NEAR_PLEURA),
    _muscle("semispinalis cervicis", "shoulder and neck", "pleura", source=NEAR_PLEURA),
    _muscle(
        "cervical multifidus",
        "shoulder and neck",
        "pleura",
        also=("cervical multifidi", "cervical paraspinals"),
        source=NEAR_PLEURA,
    ),
    _muscle("suboccipitals", "shoulder and neck", also=("suboccipital",)),
    _muscle("pectoralis major", "chest", "pleura", also=("pec major", "pecs", "pectorals")),
    _muscle("pectoralis minor", "chest", "pleura", also=("pec minor",)),
    _muscle("serratus anterior", "chest", "pleura", also=("serratus",)),
    _muscle("subclavius", "chest", "pleura", source=NEAR_PLEURA),
    _muscle("intercostals", "chest", "pleura", also=("intercostal",)),
    _muscle("rectus abdominis", "abdomen", "pleura", "kidney_peritoneum"),
    _muscle("external oblique", "abdomen", "pleura", "kidney_peritoneum", also=("external abdominal oblique",)),
    _muscle("internal oblique", "abdomen", "pleura", "kidney_peritoneum", also=("internal abdominal oblique",)),
    _muscle("transversus abdominis", "abdomen", "pleura", "kidney_peritoneum", also=("transverse abdominis",)),
    _muscle("abdominals", "abdomen", "pleura", "kidney_peritoneum", also=("abs", "obliques")),
    _muscle("gastrocnemius", "lower leg", also=("gastroc", "gastrocs")),
    _muscle("soleus", "lower leg"),
    _muscle("calf", "lower leg", also=("calves", "triceps surae")),
    _muscle("popliteus", "lower leg"),
    _muscle("tibialis anterior", "lower leg", also=("tib ant", "anterior tibialis")),
    _muscle("tibialis posterior", "lower leg", also=("tib post", "posterior tibialis")),
    _muscle("peroneals", "lower leg", also=("fibularis", "peroneus longus", "fibularis longus", "peroneus brevis")),
    _muscle("extensor digitorum longus", "lower leg", also=("EDL",)),
    _muscle("plantar foot muscles", "lower leg", also=("flexor digitorum brevis", "quadratus plantae")),
    _muscle("biceps brachii", "arm"),
    _muscle("brachialis", "arm"),
    _muscle("triceps brachii", "arm", also=("triceps",)),
    _muscle("brachioradialis", "arm"),
    _muscle("supinator", "arm"),
    _muscle("pronator teres", "arm"),
    _muscle("wrist extensors", "arm", also=("extensor carpi radialis", "ECRB", "ECRL", "extensor digitorum")),
    _muscle("wrist flexors", "arm", also=("flexor carpi ulnaris", "flexor carpi radialis")),
    _muscle("thenar muscles", "arm", also=("adductor pollicis", "first dorsal interosseous")),
    _muscle("masseter", "head"),
    _muscle("temporalis", "head"),
    _muscle("pterygoids", "head", also=("lateral pterygoid", "medial pterygoid")),
)


# So that a record of "hamstrings" and an exercise for the biceps femoris are seen to touch [K anatomy].
GROUPS: dict[str, frozenset[str]] = {
    group: frozenset(members)
    for group, members in {
        "gluteals": ("gluteus maximus", "gluteus medius", "gluteus minimus"),
        "deep hip rotators": ("piriformis", "obturator internus", "gemelli", "quadratus femoris"),
        "quadriceps": ("rectus femoris", "vastus lateralis", "vastus medialis", "vastus intermedius"),
        "hamstrings": ("biceps femoris", "semitendinosus", "semimembranosus"),
        "adductors": ("adductor longus", "adductor brevis", "adductor magnus", "gracilis", "pectineus"),
        "multifidus": ("lumbar multifidus", "thoracic multifidus"),
        "lumbar paraspinals": ("iliocostalis lumborum", "longissimus lumborum", "lumbar multifidus"),
        "thoracic paraspinals": ("iliocostalis thoracis", "longissimus thoracis", "thoracic multifidus"),
        "paraspinals": (
            "iliocostalis lumborum",
            "longissimus lumborum",
            "lumbar multifidus",
            "iliocostalis thoracis",
            "longissimus thoracis",
            "thoracic multifidus",
        ),
        "rhomboids": ("rhomboid major", "rhomboid minor"),
        "trapezius": ("upper trapezius", "middle trapezius", "lower trapezius"),
        "rotator cuff": ("supraspinatus", "infraspinatus", "subscapularis", "teres minor"),
        "abdominals": ("rectus abdominis", "external oblique", "internal oblique", "transversus abdominis"),
        "calf": ("gastrocnemius", "soleus"),
    }.items()
}


def overlap(one: str, other: str) -> bool:
    """Whether two ids are the same muscle, a group and a part of it, or groups that share one."""
    return bool((GROUPS.get(one, frozenset()) | {one}) & (GROUPS.get(other, frozenset()) | {other}))


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


@cache
def _names() -> dict[str, Muscle]:
    return {_plain(name): muscle for muscle in MUSCLES for name in (muscle.id, *muscle.also)}


def find(name: str) -> Muscle:
    """The muscle of this name or synonym; case and spaces do not matter. Invalid hints at the nearest known name."""
    plain = _plain(name)
    if muscle := _names().get(plain):
        return muscle
    raise Invalid("muscle", "is not in the list of muscles", did_you_mean(plain, _names()))
