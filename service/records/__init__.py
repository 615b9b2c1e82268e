"""A patient's record, said for people: a copy they can read, and who looked at it. The words, a file a language."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec


class Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands around the parts of a copy."""

    title: str
    made: str
    own: str
    whole: str
    none: str
    yes: str
    no: str
    besides: str
    months: tuple[str, ...]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    about: str
    columns: tuple[str, ...]


class Readers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    looked: str
    changed: str
    refused: str
    list: str
    glass: str


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`said` are states and kinds by the word they are kept as; `seen` is by the last word of a path, `deeds` by the
    note."""

    sheet: Sheet
    parts: Mapping[str, Part]
    fields: Mapping[str, str]
    said: Mapping[str, str]
    people: Mapping[str, str]
    readers: Readers
    seen: Mapping[str, str]
    deeds: Mapping[str, str]


@cache
def languages() -> Mapping[str, Words]:
    folder = files("service.records").joinpath("wording")
    return {
        file.name.removesuffix(".toml"): msgspec.convert(tomllib.loads(file.read_text("utf-8")), Words)
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }


def words(language: str) -> Words:
    return languages().get(language) or languages()["en"]
