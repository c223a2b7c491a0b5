"""Starts bqemulator; runs in its own virtual environment: ``python run_emulator.py REST_PORT GRPC_PORT GCS_FOLDER``.

By itself the emulator downloads an extension of DuckDB for maps when it starts, which a machine without the internet
cannot, and which no table of ours needs.
"""

import pathlib
import sys

from bqemulator.config import LogLevel, Settings
from bqemulator.server import run_forever
from bqemulator.storage.engine import DuckDBEngine

if __name__ == "__main__":
    rest_port, grpc_port, gcs_folder = sys.argv[1:]
    DuckDBEngine._load_spatial = lambda self: None
    settings = Settings(rest_port=int(rest_port), grpc_port=int(grpc_port), gcs_local_root=pathlib.Path(gcs_folder))
    settings.enable_format_extensions = False
    settings.log_level = LogLevel.CRITICAL
    run_forever(settings)
