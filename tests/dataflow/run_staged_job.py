"""What a worker does, in a Python of its own: read the job that was staged, and run its graph.

python run_staged_job.py gs://BUCKET/…/pipeline.pb

Only the environment of its steps is another: this process in place of a container.
"""

import sys

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

with FileSystems.open(sys.argv[1]) as staged:
    job = beam_runner_api_pb2.Pipeline.FromString(staged.read())
for environment in job.components.environments.values():
    environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b""
    del environment.dependencies[:]
FnApiRunner().run_via_runner_api(job, PipelineOptions()).wait_until_finish()

import models  # noqa: E402 (which of them did the work)

print(models.__file__)
