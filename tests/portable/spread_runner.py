"""Beam's PortableRunner with the transforms of a job spread over several worker pools."""

import zlib
from typing import Any

from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.portable_runner import PortableRunner


class SpreadRunner(PortableRunner):
    """Gives every other transform to another pool: ``--environment_config localhost:A,localhost:B``.

    Prism starts one worker per environment, and a job has but one. Here it has one for each pool, and a transform's
    name says to which it belongs. So neighbours are in different processes more often than not, and what goes from one
    to the other is encoded, sent to the engine and decoded: nothing can be shared in memory, and nothing is fused.
    """

    def run_portable_pipeline(self, pipeline: beam_runner_api_pb2.Pipeline, options: Any) -> Any:
        environments = pipeline.components.environments
        (name,) = {t.environment_id for t in pipeline.components.transforms.values() if t.environment_id}
        external = beam_runner_api_pb2.ExternalPayload.FromString(environments[name].payload)
        addresses = external.endpoint.url.split(",")
        for number, address in enumerate(addresses):
            external.endpoint.url = address
            environments[f"{name}_{number}"].CopyFrom(environments[name])
            environments[f"{name}_{number}"].payload = external.SerializeToString()
        for transform in pipeline.components.transforms.values():
            if transform.environment_id:
                number = zlib.crc32(transform.unique_name.encode()) % len(addresses)
                transform.environment_id = f"{name}_{number}"
        del environments[name]
        return super().run_portable_pipeline(pipeline, options)
