"""YAML as config files mean it: plain values only, and no key twice."""

from __future__ import annotations

from typing import Any

import yaml


def load_strictly(text: str) -> Any:
    """Parse a YAML document.

    Raises
    ------
    yaml.YAMLError
        It is no YAML, asks for a Python object, or has a key that is no text or stands twice.
    """
    return yaml.load(text, _UniqueKeyLoader)  # noqa: S506 - a SafeLoader underneath


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML lets a key stand twice and takes the last; here it is a mistake that would go unnoticed."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is no text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping
