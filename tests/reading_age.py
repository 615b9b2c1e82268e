"""How old a reader must be for a text, by two published formulas with our own counting of syllables. Pure.

English: Flesch-Kincaid grade (Kincaid 1975). Spanish: Fernández-Huerta ease (1959, words a sentence as corrected by
Law), turned into a grade by its own bands. Age is grade + 5: in grade 6 pupils are 11 to 12. Formulas count, they do
not understand: a text that passes can still be unclear, and one line alone says little, so judge a screen at a time.
"""

import re
from collections.abc import Iterable
from itertools import pairwise

OLDEST = 12.0  # clinical.md 7.6: about grade 6

_SENTENCE = re.compile(r"[.!?:;…]+(?=\s|$|[\"”»)])|\n+")
_WORD = re.compile(r"\d[\d.,:/]*|[^\W\d_]+(?:['’][^\W\d_]+)*")
# Fernández-Huerta's bands by their middles: 95 is grade 4 ("very easy"), 75 is grade 6, 65 is grades 7 and 8.
_GRADES = ((110.0, 2.5), (95.0, 4.0), (85.0, 5.0), (75.0, 6.0), (65.0, 7.5), (55.0, 10.0), (40.0, 13.0), (0.0, 16.0))


def reading_age(text: str | Iterable[str], language: str) -> float:
    """In years. Several texts are read one after the other, each ending a sentence."""
    whole = text if isinstance(text, str) else "\n".join(text)
    sentences = [words for part in _SENTENCE.split(whole) if part and (words := _WORD.findall(part))]
    words = [word for sentence in sentences for word in sentence]
    if not words:
        raise ValueError("a text without words has no reading age")
    count = {"en": english_syllables, "es": spanish_syllables}[language]
    a_word, a_sentence = sum(map(count, words)) / len(words), len(words) / len(sentences)
    if language == "en":
        return 0.39 * a_sentence + 11.8 * a_word - 15.59 + 5
    return grade(206.84 - 60 * a_word - 1.02 * a_sentence) + 5


def grade(ease: float) -> float:
    """Between the middles of two bands in proportion."""
    for (above, low), (below, high) in pairwise(_GRADES):
        if ease >= below:
            return low + (high - low) * max(0.0, above - ease) / (above - below)
    return _GRADES[-1][1]


_SILENT = re.compile(
    r"(?<=[^aeiouy])e$|(?<=[^aeiouytd])ed$|(?<=[aeiouy])ed$|(?<=[^aeiouyscxzgh])es$|(?<=[^aeiouysc]h)es$"
    r"|(?<=[^aeiouy])e(?=ness|ment|ful|less|ly$|times$)"
)
_APART = re.compile(r"ia|io(?!u)|iu|eo|ua(?=l|r|t)|uou|ying|yon|ii|\breact")
_TOGETHER = re.compile(r"(?<=[tcsg])i(?=on|an|ou|al)|^io|eou(?=s)|eop|uar(?=d|t)")
_EXCEPTIONS = {
    **dict.fromkeys(("every", "different", "several", "business", "family", "people"), 2),
    **dict.fromkeys(("area", "idea"), 3),
    **dict.fromkeys(("being", "doing", "going", "seeing", "science", "quiet"), 2),
    **dict.fromkeys(("clothes", "breathes"), 1),
}


def english_syllables(word: str) -> int:
    """By the usual rules of thumb; a number is one, as it is read as a sign."""
    word = word.lower().replace("’", "'").removesuffix("'s")
    if word[0].isdigit():
        return 1
    if word in _EXCEPTIONS:
        return _EXCEPTIONS[word]
    spoken = _SILENT.sub("", word)
    if re.search(r"[^aeiouy]le(s|d)?$", word):  # "little": the e is silent, the l is not
        spoken = re.sub(r"le(s|d)?$", "el", word)
    groups = len(re.findall(r"[aeiouy]+", spoken))
    joined = _TOGETHER.sub("", spoken)
    return max(1, groups + len(_APART.findall(joined)))


_STRONG = "aeoáéóíú"
_NUCLEI = re.compile(f"[iuüy]?[{_STRONG}][iuüy]?(?![{_STRONG}])|[iuüy]?[{_STRONG}]|[iuüy]+")


def spanish_syllables(word: str) -> int:
    """Nuclei: two strong vowels are two, a weak one beside a strong one is none of its own unless it has an accent."""
    word = word.lower()
    if word[0].isdigit():
        return 1
    word = re.sub(r"qu|gu(?=[eiéí])", "q", word)  # this u is not heard
    word = re.sub(f"y(?=[{_STRONG}iuü])", "j", word)  # before a vowel it is a consonant
    return max(1, len(_NUCLEI.findall(word)))
