"""The emergency number of a country, for the fixed texts. Pure; a country that is not listed gets words without one.

Source: clinical.md 2.4 for the United States, the European Union (112), the United Kingdom and Australia; the others
are emergency numbers in the short-number data of Google's libphonenumber 9.0.43 [S2], where it knows several the one
for an ambulance [K]. Mexico is [K]. A wrong number is worse than none: only what was looked up stands here, and the
clinic confirms its own before it goes live (docs/going-live.md).
"""

from collections.abc import Mapping

_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_BY_NUMBER: Mapping[str, str] = {
    "112": f"{_EU} IN IS KE TR UA ZA",
    "911": "CA CR MX PA PH US UY",
    "999": "GB HK MY",
    "000": "AU",
    "107": "AR",
    "111": "NZ",
    "113": "NO",
    "115": "VN",
    "119": "JP KR TW",
    "120": "CN",
    "123": "CO EG",
    "131": "CL",
    "144": "CH LI",
    "192": "BR",
    "995": "SG",
    "997": "SA",
    "998": "AE",
    "101": "IL",
    "1669": "TH",
}
NUMBERS: Mapping[str, str] = {country: number for number, listed in _BY_NUMBER.items() for country in listed.split()}


def emergency_number(country: str) -> str:
    """By ISO 3166 alpha-2 code; "" where we know none. "UK" is written for GB so often that it is one here."""
    code = country.strip().upper()
    return NUMBERS.get("GB" if code == "UK" else code, "")
