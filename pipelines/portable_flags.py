"""Flags of a run on a portable engine (Flink, Spark, Prism), checked before any work."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import time
from collections.abc import Sequence
from typing import Any, Final

from models.errors import UserError

#: How long a job service may take to listen: one that was started in the same breath is still on its way.
_WAIT_S: Final = 10.0
#: By a part of a runner's name, the flag for the program that Beam starts when no job service is named.
_PROGRAMS: Final = {"flink": "flink_job_server_jar", "spark": "spark_job_server_jar", "prism": "prism_location"}


def check_portable_flags(beam_flags: Sequence[str]) -> None:
    """See that there is a job service to give the job to, when the flags name one, and that it will have workers.

    Beam's own answers to the same mistakes are a traceback, and five minutes of silence before one.

    Parameters
    ----------
    beam_flags
        Beam's flags, ``--runner`` among them.

    Raises
    ------
    UserError
        Names the flag and the mend.
    """
    from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions

    options = PipelineOptions(list(beam_flags))
    portable = options.view_as(PortableOptions)
    runner = options.view_as(StandardOptions).runner or ""
    if runner.rpartition(".")[-1].lower() in ("portable", "portablerunner") and not portable.job_endpoint:
        raise UserError(f"--runner {runner}: needs --job_endpoint, the HOST:PORT of the engine's job service.")
    kind = portable.environment_type or ""
    address = portable.environment_config or portable.lookup_environment_option("external_service_address")
    if kind.upper() == "EXTERNAL" and not address:
        raise UserError(
            "--environment_type EXTERNAL: needs --environment_config, the HOST:PORT of the worker pool as the engine's "
            "machines see it."
        )
    if portable.job_endpoint and portable.job_endpoint != "embed":
        _require_listener(portable.job_endpoint)
    if not portable.job_endpoint:
        _require_program(runner, options.get_all_options())


def _require_program(runner: str, options: dict[str, Any]) -> None:
    for engine, flag in _PROGRAMS.items():
        place = options.get(flag) if engine in runner.lower() else None
        if place and "://" not in place and not pathlib.Path(place).is_file():
            raise UserError(f"--{flag} {place}: is no file; docs/distributed.md says what belongs there.")


def _require_listener(endpoint: str) -> None:
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UserError(f"--job_endpoint {endpoint}: is no HOST:PORT, such as localhost:8099.")
    deadline_s = time.monotonic() + _WAIT_S
    while True:
        try:
            with contextlib.closing(socket.create_connection((host.strip("[]"), int(port)), timeout=_WAIT_S)):
                return
        except OSError as error:
            if time.monotonic() > deadline_s:
                raise UserError(
                    f"--job_endpoint {endpoint}: no job service answers there ({error}); start it, or give its address."
                ) from error
        time.sleep(0.5)
