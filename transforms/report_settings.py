"""What a run's page shows and may cost (``report:`` in a config)."""

from __future__ import annotations

import pydantic


class ReportSettings(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The settings of ``runs/<run_id>/report.html``; none of them changes a row of a table."""

    #: Write the page with every run. It can be made later too, by ``pipelines.write_run_report``.
    enabled: bool = True
    #: Tracks of the review queue that the page shows, by what is at stake.
    review_tracks: int = pydantic.Field(default=12, ge=0, le=100)
    #: Embed an excerpt of each of them to listen to, with its spectrogram.
    audio: bool = True
    #: Length of an excerpt, in seconds.
    excerpt_s: float = pydantic.Field(default=10.0, ge=1, le=60)
    #: Longest time that all excerpts together may take, in seconds; what is not ready by then is left out.
    audio_timeout_s: float = pydantic.Field(default=60.0, gt=0, le=3600)
    #: What an hour of one vCPU costs the user, in the user's own currency; null: the page shows no money.
    vcpu_hour_price: float | None = pydantic.Field(default=None, ge=0)
    #: Where that figure comes from, as the page is to say it, such as ``list price of our region, EUR``.
    price_source: str | None = pydantic.Field(default=None, max_length=200)
