"""The words that labels are made of, and their version.

A change of meaning here is a change of :data:`TAXONOMY_VERSION`: labels of two taxonomies never share a partition.
"""

from __future__ import annotations

from typing import Final

TAXONOMY_VERSION: Final = "1"

MUSIC: Final = "music"
FUNCTIONAL: Final = "functional"
SPEECH: Final = "speech"

#: Order of the category axis of every array in the project.
CATEGORIES: Final = (MUSIC, FUNCTIONAL, SPEECH)

#: Order of the type axis. ``silence`` is decided by signal level, never by the network, so it stands last.
FUNCTIONAL_TYPES: Final = ("noise", "nature", "machine", "sound_effect", "ambience", "asmr", "tone", "silence")

DECISIONS: Final = ("auto", "review")
