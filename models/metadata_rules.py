"""What a track's words claim: titles, release titles, genres and the declared type read as a hint, never as a label.

Uploaders choose these words and some choose them to deceive, so a claim can only raise a flag and ask for a person.
A single word that is also a common song title (``Rain``, ``Wind``, ``Silence``) is no claim; a phrase is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from models.taxonomy import FUNCTIONAL, MUSIC, SPEECH

_SOUND = r"(?:sounds?|noises?|ambien[ct]e|geräusche?|bruits?|sonidos?|son de|ruido)"
_THING = (
    r"(?:rain(?:fall)?|thunder(?:storms?)?|storm|ocean|sea|waves?|wind|water(?:fall)?|stream|river|forest|nature|"
    r"birds?|crickets?|fire(?:place)?|campfire|fan|air ?conditioner|vacuum|hair ?dryer|washing machine|dryer|engine|"
    r"train|airplane|plane|cabin|traffic|city|caf[eé]|coffee shop|crowd|heartbeat|womb|shower|regen|meeres|lluvia|"
    r"pluie|mer)"
)
_CLAIMS: Final = {
    FUNCTIONAL: re.compile(
        rf"\b(?:white|pink|brown|grey|gray|green|blue|violet|deep|static) noise\b|\b(?:weißes|rosa|braunes) rauschen\b|"
        rf"\bbruit (?:blanc|rose|brun)\b|\bruido (?:blanco|rosa|marrón)\b|"
        rf"\b{_THING}(?: \w+)? {_SOUND}\b|\b{_SOUND} (?:of|de|del|du|der) (?:the |la |el |l')?{_THING}\b|"
        r"\bsound effects?\b|\bsfx\b|\bfoley\b|\basmr\b|\bfield recording\b|\bnature sounds?\b|"
        r"\bsoundscape recording\b|"
        r"\b(?:binaural|isochronic)\b|\b\d{2,5} ?hz (?:tone|test tone|sine)\b|\btest tone\b|\bsine (?:tone|wave)\b|"
        r"\b\d+ (?:hours?|minutes?) of (?:silence|noise|rain|thunder|waves)\b",
        re.IGNORECASE,
    ),
    MUSIC: re.compile(
        r"\b(?:feat\.?|ft\.|remix|acoustic version|instrumental|karaoke|unplugged|symphony|sinfonie|concerto|sonata|"
        r"nocturne|prelude|étude|etude|waltz|overture|aria|hymn|ballad|piano|guitar|guitarra|violin|cello|harp|flute|"
        r"orchestra|orchestral|quartet|song|lullaby|melody|lo-?fi|beats?|jazz|blues|techno|house mix|club mix|"
        r"ambient music|relaxing music|meditation music|soundtrack|main theme)\b",
        re.IGNORECASE,
    ),
    SPEECH: re.compile(
        r"\b(?:podcast|audio ?book|hörbuch|hörspiel|livre audio|audiolibro|interview|lecture|sermon|speech|spoken word|"
        r"stand-?up comedy|chapter \d+|kapitel \d+|chapitre \d+|capítulo \d+|episode \d+|folge \d+|news bulletin|"
        r"guided meditation|read by)\b",
        re.IGNORECASE,
    ),
}

#: What :func:`title_claims` looks for, whatever the case, as text; on ASCII other engines find the same with it.
CLAIM_PATTERNS: Final = {category: pattern.pattern for category, pattern in _CLAIMS.items()}

_DECLARED: Final = {
    "music": MUSIC, "song": MUSIC, "instrumental": MUSIC, "musicalworksoundrecording": MUSIC,
    "functional": FUNCTIONAL, "noise": FUNCTIONAL, "white_noise": FUNCTIONAL, "nature": FUNCTIONAL,
    "sound_effect": FUNCTIONAL, "sound_effects": FUNCTIONAL, "asmr": FUNCTIONAL, "silence": FUNCTIONAL,
    "ambience": FUNCTIONAL, "non_music": FUNCTIONAL, "nonmusicalworksoundrecording": FUNCTIONAL,
    "speech": SPEECH, "spoken_word": SPEECH, "podcast": SPEECH, "audiobook": SPEECH, "comedy": SPEECH,
    "spokenwordsoundrecording": SPEECH,
}  # fmt: skip


def title_claims(*texts: str | None) -> frozenset[str]:
    """Categories that the words of a title or release title promise.

    Parameters
    ----------
    *texts
        Titles; nulls are passed over.

    Returns
    -------
    frozenset of str
        Empty when nothing is promised. ``Rain Sounds with Piano`` promises two.

    Examples
    --------
    >>> sorted(title_claims("White Noise for Babies"))
    ['functional']
    >>> sorted(title_claims("Rain"))
    []
    """
    return frozenset(
        category for category, pattern in _CLAIMS.items() if any(text and pattern.search(text) for text in texts)
    )


def declared_claim(declared_type: str | None) -> str | None:
    """The category that the catalog's ``declared_type`` stands for; None when it is absent or not a known word."""
    if declared_type is None:
        return None
    key = re.sub(r"[\s\-]+", "_", declared_type.strip().lower())
    return _DECLARED.get(key) or _DECLARED.get(key.replace("_", ""))


def contradiction_flags(
    category: str, title: str | None, release_title: str | None, declared_type: str | None, genres: Iterable[str] = ()
) -> list[str]:
    """Flags for words that promise another category than the one that was heard.

    The title speaks for the track. Release title and genres describe many tracks, so they are read only when the
    title promises nothing, and only against a functional label, the one that costs a musician money.

    Returns
    -------
    list of str
        Any of ``title_contradicts_audio``, ``release_contradicts_audio``, ``declared_type_contradicts_audio``.
    """
    flags = []
    claims = title_claims(title)
    if claims and category not in claims:
        flags.append("title_contradicts_audio")
    elif not claims and category == FUNCTIONAL:
        around = title_claims(release_title, *genres)
        if around and FUNCTIONAL not in around:
            flags.append("release_contradicts_audio")
    declared = declared_claim(declared_type)
    if declared is not None and declared != category:
        flags.append("declared_type_contradicts_audio")
    return flags
