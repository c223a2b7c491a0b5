"""The recipe of the training corpus: which packages, which of their files, and what each file is."""

from __future__ import annotations

import difflib
import functools
import hashlib
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

import pydantic
import yaml

from models.errors import UserError
from models.taxonomy import CATEGORIES

#: ``--small`` leaves out packages with a larger download, in MB.
SMALL_MB: Final = 250.0
#: Longer files are left out, in seconds.
LONGEST_S: Final = 2 * 3600.0


class Audio(NamedTuple):
    """What the header of one audio file says.

    Attributes
    ----------
    sha256
        Of the file as it is in the package.
    duration_s
        Stated length in seconds; 0 when the file is no audio.
    rate_hz
        Sample rate in Hz; 0 when it is not known.
    """

    sha256: str
    duration_s: float
    rate_hz: int


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Rule(_Strict):
    """What the files are whose path a pattern is found in.

    Attributes
    ----------
    files
        Regular expression, searched in the path inside the package without regard to case.
    label, subtype
        Category and the corpus's finer word. None in a rule that leaves files out.
    evidence
        What the label rests on (``from`` in the file): ``documents`` of the package, the ``folder``, or the ``name``.
    leave_out
        The files are not taken.
    at_least_s
        Shorter files are not taken, in seconds.
    at_most
        No more files than this are taken; None for all.
    """

    files: str
    label: str | None = None
    subtype: Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    evidence: Annotated[Literal["documents", "folder", "name"] | None, pydantic.Field(alias="from")] = None
    leave_out: bool = False
    at_least_s: float = pydantic.Field(default=0.0, ge=0, le=LONGEST_S)
    at_most: Annotated[int, pydantic.Field(ge=1)] | None = None

    @pydantic.field_validator("files")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression ({error})") from None
        if not pattern:
            raise ValueError("is empty; '.' stands for every file")
        return pattern

    @pydantic.field_validator("label")
    @classmethod
    def _is_category(cls, label: str | None) -> str | None:
        if label is not None and label not in CATEGORIES:
            raise ValueError(f"is none of {', '.join(CATEGORIES)}")
        return label

    @pydantic.model_validator(mode="after")
    def _says_one_thing(self) -> Rule:
        given = [name for name in ("label", "subtype", "evidence") if getattr(self, name) is not None]
        if self.leave_out and (given or self.at_most or self.at_least_s):
            raise ValueError("leave_out stands with files alone")
        if not self.leave_out and len(given) < 3:
            raise ValueError("needs label, subtype and from, or leave_out")
        return self

    def matches(self, path: str) -> bool:
        """Tell whether the pattern is found in a path inside the package."""
        return _compiled(self.files).search(path) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


class Package(_Strict):
    """A package and its rules; the first rule that matches a file decides on it.

    Attributes
    ----------
    name, source
        As ``debian`` (apt) or ``pypi`` (pip) know it.
    version
        The version that the rules were tested with.
    split
        ``train`` or ``dev``, for all its files.
    download_mb
        Size of the download.
    licence
        Read by hand, where the package's own documents do not tell by file.
    rules
        In order.
    """

    # The name becomes an argument of a client and the name of a folder: it starts with no dash and holds no slash.
    name: str = pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._-]*$")
    source: Literal["debian", "pypi"]
    version: str = pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+~:!-]*$")
    split: Literal["train", "dev"]
    download_mb: float = pydantic.Field(ge=0)
    licence: Annotated[str, pydantic.Field(min_length=1)] | None = None
    rules: list[Rule] = pydantic.Field(min_length=1)

    def rule_for(self, path: str) -> Rule | None:
        """Return the rule that labels a file; None when it is left out or no rule matches."""
        rule = next((rule for rule in self.rules if rule.matches(path)), None)
        return None if rule is None or rule.leave_out else rule


class Recipe(_Strict):
    """The whole file.

    Attributes
    ----------
    version
        Of the recipe's format.
    audio_suffixes
        Suffixes of audio files, in small letters and without the dot.
    packages
        In order: of a recording that is in two, the first one's is kept.
    """

    version: Literal[1]
    audio_suffixes: list[Annotated[str, pydantic.Field(pattern=r"^[a-z0-9]{1,8}$")]] = pydantic.Field(min_length=1)
    packages: list[Package] = pydantic.Field(min_length=1)

    @pydantic.model_validator(mode="after")
    def _has_each_package_once(self) -> Recipe:
        split_of: dict[str, str] = {}
        for package in self.packages:
            before = split_of.setdefault(package.name.lower(), package.split)
            if before != package.split:
                raise ValueError(f"package {package.name} is in both splits; a package belongs to one")
        if len(split_of) < len(self.packages):
            names = [package.name.lower() for package in self.packages]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"package {twice} stands twice; give it once, with all its rules")
        return self

    def chosen(self, names: Sequence[str] | None = None, small: bool = False) -> list[Package]:
        """Pick packages, in the recipe's order.

        Parameters
        ----------
        names
            Only these; None for all.
        small
            Leave out packages with a download over ``SMALL_MB``.

        Raises
        ------
        UserError
            When the recipe has no package of a name, or none is left.
        """
        known = [package.name for package in self.packages]
        for name in names or ():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                raise UserError(
                    f"--packages {name}: the recipe has no such package"
                    + (f"; did you mean {close[0]}?" if close else ".")
                )
        chosen = [
            package
            for package in self.packages
            if (names is None or package.name in names) and not (small and package.download_mb > SMALL_MB)
        ]
        if not chosen:
            raise UserError(f"--small: leaves none of the packages; those asked for are over {SMALL_MB:g} MB.")
        return chosen


def read_recipe(path: str) -> Recipe:
    """Read a recipe file.

    Raises
    ------
    UserError
        Names the file, the package and the key, its value and what is wrong with it.
    """
    try:
        record: Any = yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(
            f"--recipe {path}: cannot be read ({reason}); give a YAML file such as configs/corpus_recipe.yaml."
        ) from error
    except yaml.YAMLError as error:
        raise UserError(f"--recipe {path}: is no YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(record, dict):
        raise UserError(f"--recipe {path}: holds {type(record).__name__}, but keys with values are expected.")
    try:
        return Recipe.model_validate(record)
    except pydantic.ValidationError as error:
        raise UserError(f"--recipe {path}: {_sentence(error.errors()[0], record)}.") from error


def _sentence(problem: Any, record: dict[str, Any]) -> str:
    """Put pydantic's first problem as ``key: what is wrong``, with the package's name."""
    location = list(problem["loc"])
    name = ""
    if location[:1] == ["packages"] and len(location) > 1:
        package = record["packages"][location[1]]
        if isinstance(package, dict) and "name" in package:
            name = f" (package {package['name']})"
    key = ".".join(map(str, location)) + name
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"{key}: no such key"
    if problem["type"] == "missing":
        return f"{key}: is missing"
    if isinstance(problem["input"], dict | list):
        return f"{key}: {message}" if key else str(message)
    return f"{key} is {problem['input']!r}: {message}"


class Choice(NamedTuple):
    """A file of a package that the rules take, and the rule that did."""

    path: str
    audio: Audio
    rule: Rule


def select(package: Package, found: Mapping[str, Audio], taken: set[str]) -> list[Choice]:
    """Apply a package's rules to its audio files.

    Parameters
    ----------
    package
        With its rules.
    found
        Audio by its path inside the package.
    taken
        sha256 of files that are in the corpus already; those that are chosen here are added. A copy of one of them
        is passed over and does not count against ``at_most``.

    Returns
    -------
    list of Choice
        In the order of the rules, then of the paths or, where a rule matches more files than it may take, of the MD5
        of the paths: a choice that is varied and always the same.
    """
    matched: dict[int, list[str]] = {}
    for path in sorted(found):
        rule = package.rule_for(path)
        if rule is not None:
            matched.setdefault(package.rules.index(rule), []).append(path)
    choices = []
    for place, paths in sorted(matched.items()):
        rule = package.rules[place]
        most = len(paths) if rule.at_most is None else rule.at_most
        if len(paths) > most:
            paths.sort(key=lambda path: hashlib.md5(path.encode(), usedforsecurity=False).hexdigest())
        for path in paths:
            audio = found[path]
            if (
                most
                and audio.duration_s
                and rule.at_least_s <= audio.duration_s <= LONGEST_S
                and audio.sha256 not in taken
            ):
                taken.add(audio.sha256)
                choices.append(Choice(path, audio, rule))
                most -= 1
    return choices
