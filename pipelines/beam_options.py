"""Beam's pipeline options for a large graph."""

from __future__ import annotations

from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions


class RememberedViews(PipelineOptions):
    """Options that make each of their views once.

    Beam asks for a view several times for each transform, and makes an argument parser with hundreds of arguments for
    each: a third of the time that the main job's graph took. All views share one set of values, so one will do.
    """

    def view_as(self, cls: Any) -> Any:
        """Give the options as seen by another class of options."""
        views: dict[Any, Any] = self.__dict__.setdefault("_remembered_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the views out of a copy: each of them would bring the values along once more."""
        return {name: value for name, value in super().__getstate__().items() if name != "_remembered_views"}
