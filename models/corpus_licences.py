"""Which licence an audio file has, as far as its package tells."""

from __future__ import annotations

import dataclasses
import email.parser
import fnmatch
import re
from collections.abc import Mapping
from typing import Final

from models.errors import UserError

NOT_STATED: Final = "not stated"
_TELLING_LETTERS: Final = 6
#: Licences that a text names without referring to Debian's copy of them.
_NAMED: Final = {
    "public-domain": r"public[ -]domain",
    "CC0": r"\bCC0\b|Creative Commons Zero",
    "CC-BY-SA": r"\bCC[- ]BY[- ]SA\b|Attribution[- ]Share ?Alike",
    "CC-BY": r"\bCC[- ]BY\b(?![- ][SN])|Creative Commons Attribution(?![- ](Share|Non))",
    "BSD": r"\bBSD\b",
    "MIT": r"\bMIT\b|\bExpat\b",
    "GPL": r"(?<!Lesser )(?<!Library )General Public License",
    "LGPL": r"(Lesser|Library) General Public License",
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Paragraph:
    patterns: tuple[str, ...]
    licence: str


class Licences:
    """Looks the licence of a file up in the documents of its package.

    Parameters
    ----------
    documents
        Text by path inside the package: copyright files, or a wheel's METADATA.
    package
        Its name: its own copyright file is preferred to that of another package.
    by_hand
        The licence that the recipe gives; it overrides the documents.
    """

    def __init__(self, documents: Mapping[str, str], package: str, by_hand: str | None = None) -> None:
        own = f"usr/share/doc/{package}/copyright"
        path = own if own in documents else min(documents, default="")
        text = documents.get(path, "")
        self._by_hand = by_hand
        self._paragraphs: list[_Paragraph] = []
        if path.endswith("METADATA"):
            self._otherwise = _licence_of_wheel(text)
        else:
            self._paragraphs = _read_paragraphs(text)
            self._otherwise = _named_licences(text)

    def of(self, path: str) -> str:
        """Return the licence of the file with this path inside the package.

        The recipe's word comes first, then the paragraph of a machine-readable copyright file that fits best, then
        ``mentions`` and every licence that the text names.
        """
        if self._by_hand is not None:
            return self._by_hand
        best, licence = -1, None
        for paragraph in self._paragraphs:
            fit = max(_fit(pattern, path) for pattern in paragraph.patterns)
            # The format lets the last of several paragraphs win.
            if fit >= max(best, 0):
                best, licence = fit, paragraph.licence
        return licence if licence is not None else self._otherwise


def check_library() -> None:
    """Make sure that the reader of copyright files is installed.

    Raises
    ------
    UserError
        When it is not.
    """
    try:
        import debian_inspector  # noqa: F401
    except ImportError:
        raise UserError("debian-inspector is not installed; run pip install -e '.[corpus]'.") from None


def _read_paragraphs(text: str) -> list[_Paragraph]:
    """Read the ``Files`` paragraphs of a copyright file; none when it is not machine-readable."""
    from debian_inspector.copyright import CopyrightFilesParagraph, DebianCopyright

    paragraphs = []
    for paragraph in DebianCopyright.from_text(text).paragraphs:
        if isinstance(paragraph, CopyrightFilesParagraph):
            patterns = tuple(pattern for value in paragraph.files.values for pattern in value.replace(",", " ").split())
            licence = (paragraph.license.name or "").strip()
            if patterns and licence:
                paragraphs.append(_Paragraph(patterns, licence))
    return paragraphs


def _fit(pattern: str, path: str) -> int:
    """Say how well a pattern of the source tree fits a path where the package installs it; -1 for not at all.

    Where a file is installed is not where it lay in the source tree, so ends of both are compared. Leading parts of the
    pattern are dropped as long as what is left tells something: the first part freely (``data/``, ``share/``), more of
    them while two folders or the name of a file remain. The fit is the number of letters in the parts that agree, so a
    paragraph on a folder beats one on the whole tree, wherever they stand.
    """
    parts = pattern.removeprefix("./").split("/")
    inside = path.replace("!/", "/").split("/")
    tails = ["/".join(inside[start:]) for start in range(len(inside))]
    for dropped in range(len(parts)):
        rest = parts[dropped:]
        beginning = re.split(r"[*?]", rest[0])[0]
        names_file = len(rest) == 1 and (beginning == rest[0] or len(beginning) >= _TELLING_LETTERS)
        if not (dropped == 0 or (dropped == 1 and len(rest) > 1) or len(rest) > 2 or names_file):
            continue
        wanted = "/".join(rest)
        if any(fnmatch.fnmatchcase(tail, wanted) for tail in tails):
            return len(re.sub(r"[*?\\/]", "", wanted))
    return -1


def _named_licences(text: str) -> str:
    found = {match.rstrip(".") for match in re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.+-]+)", text)}
    families = {name.split("-")[0] for name in found}
    for name, pattern in _NAMED.items():
        if name not in families and re.search(pattern, text, re.IGNORECASE):
            found.add(name)
    return "mentions " + ", ".join(sorted(found)) if found else NOT_STATED


def _licence_of_wheel(text: str) -> str:
    """What the metadata says of the package as a whole, which need not hold for its audio."""
    fields = email.parser.HeaderParser().parsestr(text)
    stated = fields.get("License-Expression") or fields.get("License")
    return f"package: {' '.join(stated.split())[:60]}" if stated else NOT_STATED
