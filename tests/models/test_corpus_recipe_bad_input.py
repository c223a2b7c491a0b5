"""A wrong recipe is one sentence with the package, the key, the value and the mend."""

from __future__ import annotations

import re

import pytest

from models.corpus_recipe import read_recipe
from models.errors import UserError
from tests.models.tiny_packages import RECIPE


def refused(path):
    with pytest.raises(UserError) as caught:
        read_recipe(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"--recipe {path}: ")
    return message


RULE = "{files: 'noise', label: functional, subtype: noise, from: documents}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1\n", "version: 2\n", "version is 2"),
        ("audio_suffixes: [ogg", "audio_suffixes: [.ogg", "audio_suffixes.0 is '.ogg'"),
        ("packages:\n", "packages: 3\nrest:\n", "packages is 3"),
        ("split: dev", "split: test", r"packages.1.split (package tiny-copies) is 'test'"),
        ("source: pypi", "source: npm", "packages.2.source (package tiny-sounds) is 'npm'"),
        ("    download_mb: 300.5\n", "", "packages.2.download_mb (package tiny-sounds): is missing"),
        ("download_mb: 300.5", "size_mb: 300.5", "packages.2.download_mb (package tiny-sounds): is missing"),
        ('    version: "3.0"', "    version: 3.0", "packages.2.version (package tiny-sounds) is 3.0"),
        ("name: tiny-sounds", "name: -oProxy", "packages.2.name (package -oProxy) is '-oProxy'"),
        ("name: tiny-sounds", "name: ../sounds", "packages.2.name (package ../sounds) is '../sounds'"),
        ("name: tiny-sounds", "name: tiny-game", "package tiny-game stands twice"),
        ("name: tiny-copies", "name: tiny-game", "package tiny-game is in both splits"),
        (RULE, "{files: '(', label: functional, subtype: noise, from: name}", "is '(': is no regular expression"),
        (RULE, "{files: '', label: functional, subtype: noise, from: name}", "is '': is empty"),
        (
            RULE,
            RULE.replace("functional", "song"),
            "packages.2.rules.0.label (package tiny-sounds) is 'song': is none of",
        ),
        (RULE, RULE.replace("documents", "hearsay"), "from (package tiny-sounds) is 'hearsay'"),
        (RULE, RULE.replace("noise,", "No ise,"), "subtype (package tiny-sounds) is 'No ise'"),
        (RULE, "{files: 'noise', label: functional}", "needs label, subtype and from, or leave_out"),
        (RULE, "{files: 'noise', leave_out: true, label: music}", "leave_out stands with files alone"),
        (RULE, "{files: 'noise', leave_out: true, at_most: 3}", "leave_out stands with files alone"),
        (RULE, RULE.replace("from:", "at_least_s: -1, from:"), "at_least_s (package tiny-sounds) is -1"),
        (RULE, RULE.replace("from:", "at_least_s: .nan, from:"), "at_least_s (package tiny-sounds) is nan"),
        (RULE, RULE.replace("from:", "at_most: 0, from:"), "at_most (package tiny-sounds) is 0"),
        (RULE, RULE.replace("from:", "at_leest_s: 1, from:"), "at_leest_s (package tiny-sounds): no such key"),
        (
            "    rules:\n      - {files: 'noise'",
            "    rules: []\n    rest:\n      - {files: 'noise'",
            "packages.2.rules",
        ),
    ],
)
def test_wrong_values(tmp_path, old, new, message):
    assert RECIPE.count(old) >= 1
    before, _, after = RECIPE.rpartition(old)
    (tmp_path / "recipe.yaml").write_text(before + new + after)
    assert re.search(re.escape(message), refused(tmp_path / "recipe.yaml"))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"- a", "holds list"), (b"", "holds NoneType"), (b"a: [", "is no YAML"), (b"\xff\xfe\xff", "cannot be read")],
)
def test_no_recipe_at_all(tmp_path, content, message):
    (tmp_path / "recipe.yaml").write_bytes(content)
    assert message in refused(tmp_path / "recipe.yaml")


def test_files_that_cannot_be_read(tmp_path):
    assert "cannot be read" in refused(tmp_path / "none.yaml")
    assert "cannot be read" in refused(tmp_path)


def test_packages_that_the_recipe_lacks(tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    recipe = read_recipe(str(tmp_path / "recipe.yaml"))
    with pytest.raises(UserError, match=r"--packages tiny-gam: .* did you mean tiny-game\?"):
        recipe.chosen(["tiny-gam"])
    with pytest.raises(UserError, match="--small: leaves none"):
        recipe.chosen(["tiny-sounds"], small=True)
