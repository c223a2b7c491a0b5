"""A run that labels every row of a catalog, and what any kind of run gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam

from models.royalty_policy import RoyaltyPolicy
from transforms.catalog_duplicates import CollapseDuplicates
from transforms.catalog_reading import ReadCatalog
from transforms.catalog_settings import CatalogSettings
from transforms.hear_audio import Counted
from transforms.royalty_treatments import RoyaltyTreatments
from transforms.write_tables import shard_count


class RunTables(NamedTuple):
    """What a run gives, as PCollections.

    Attributes
    ----------
    read, labelled
        Tallies at both ends, or sums of them.
    dead_letters
        Of all stages.
    tables
        Rows of every table but ``dead_letters``, as :class:`~transforms.write_tables.WriteTable` takes them.
    files_per_table
        One int.
    """

    read: beam.PCollection[Any]
    labelled: beam.PCollection[Any]
    dead_letters: beam.PCollection[Any]
    tables: dict[str, beam.PCollection[Any]]
    files_per_table: beam.PCollection[int]


class LabelCatalog(beam.PTransform):
    """Label every row of a catalog.

    Parameters
    ----------
    catalog
        The value of ``--catalog``.
    catalog_states, catalog_settings
        As for :class:`~transforms.catalog_reading.ReadCatalog`.
    label_tracks
        :class:`~transforms.label_tracks.LabelTracks`.
    policies
        In force on the run date.
    lineage
        The lineage columns of the run.
    rows_per_file
        Catalog rows for one file of a table.
    counted
        Wraps a PCollection so that its elements are counted under a name.
    """

    def __init__(
        self,
        catalog: str,
        catalog_states: Mapping[str, str] | None,
        catalog_settings: CatalogSettings,
        label_tracks: beam.PTransform,
        policies: Sequence[RoyaltyPolicy],
        lineage: Mapping[str, Any],
        rows_per_file: int,
        counted: Counted,
    ) -> None:
        super().__init__()
        self._read_catalog = ReadCatalog(catalog, catalog_states, catalog_settings)
        self._label_tracks, self._policies = label_tracks, policies
        self._lineage, self._rows_per_file, self._counted = lineage, rows_per_file, counted

    def expand(self, pbegin: Any) -> RunTables:
        """Compose the stages."""
        counted = self._counted
        catalog = pbegin | "ReadCatalog" >> self._read_catalog
        read = counted("rows_read", catalog.read)
        distinct = catalog.rows | "CollapseDuplicates" >> CollapseDuplicates()
        labels = counted("rows_valid", distinct.rows) | "LabelTracks" >> self._label_tracks
        tables = ("track_labels", "track_segments", "track_embeddings", "audio_versions")
        return RunTables(
            read,
            labels["labelled"],
            (
                counted("dead_letters", catalog.dead_letters),
                counted("dead_letters", distinct.dead_letters),
                labels["dead_letters"],
            )
            | "AllDeadLetters" >> beam.Flatten(),
            {table: labels[table] for table in tables}
            | {
                "royalty_treatments": labels["track_labels"]
                | "TreatRoyalties" >> RoyaltyTreatments(self._policies, self._lineage)
            },
            read
            | "CountRows" >> beam.combiners.Count.Globally()
            | "FilesPerTable" >> beam.Map(shard_count, self._rows_per_file),
        )
