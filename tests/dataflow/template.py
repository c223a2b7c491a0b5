"""A job on Dataflow that is only written, and what is in it."""

import dataclasses
import json

from apache_beam.portability.api import beam_runner_api_pb2

from tests.gcs.emulated_store import BUCKET, EmulatedStore, Job
from tests.gcs.published_output import OUTPUT

#: What every command of these tests has; ``--no_auth`` asks for no credentials, which would be looked for on a network.
CLOUD = (
    "--runner=DataflowRunner", "--project=my-project", "--region=europe-west1", f"--temp_location=gs://{BUCKET}/tmp",
    "--no_auth",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Template:
    """A template: the job's description as JSON, its graph, what its command said, and the output before and after."""

    job: dict
    graph: beam_runner_api_pb2.Pipeline
    output: str
    output_before: dict[str, int]
    output_after: dict[str, int]

    @property
    def pool(self) -> dict:
        (pool,) = self.job["environment"]["workerPools"]
        return pool

    def staged(self, store: EmulatedStore, name: str) -> bytes:
        """A package that the job's workers get."""
        (location,) = (package["location"] for package in self.pool["packages"] if package["name"] == name)
        return store.read(location.split(f"/{BUCKET}/", 1)[1])

    @property
    def options(self) -> dict:
        return self.job["environment"]["sdkPipelineOptions"]["options"]

    def hints(self, step: str) -> dict[str, str]:
        """Resource hints of the steps whose name holds ``step``, by the last part of their URN."""
        components = self.graph.components
        found = {
            tuple(sorted(components.environments[transform.environment_id].resource_hints.items()))
            for transform in components.transforms.values()
            if step in transform.unique_name and transform.environment_id
        }
        (hints,) = found  # all alike
        return {urn.split(":")[2]: value.decode() for urn, value in hints}


def write_template(job: Job, store: EmulatedStore, *flags: str) -> Template:
    before = store.generations(OUTPUT)
    process = job.start(*flags, *CLOUD, f"--template_location=gs://{BUCKET}/templates/earmark.json")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    description = json.loads(store.read("templates/earmark.json"))
    url = description["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
    graph = beam_runner_api_pb2.Pipeline.FromString(store.read(url.removeprefix(f"gs://{BUCKET}/")))
    return Template(description, graph, output, before, store.generations(OUTPUT))
