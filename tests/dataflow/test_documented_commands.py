"""The commands of docs/dataflow.md are commands that this version takes."""

import json
import re
import shlex

from pipelines.categorize_options import make_parser
from pipelines.command_line import check_beam_flags, flags_of
from pipelines.dataflow_flags import dataflow_flags
from tests.gcs.emulated_store import ROOT

TEXT = (ROOT / "docs" / "dataflow.md").read_text()
VARIABLES = {"PROJECT": "my-project", "REGION": "europe-west1", "BUCKET": "my-bucket", "IMAGE": "image:1"}


def commands(beginning: str) -> list[list[str]]:
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
    lines = blocks.replace("\\\n", " ").splitlines()
    found = [line for line in lines if line.startswith(beginning)]
    return [shlex.split(re.sub(r"\$([A-Z]+)", lambda name: VARIABLES.get(name[1], name[0]), line)) for line in found]


def test_the_main_command_is_taken_with_every_flag() -> None:
    (command,) = commands("python -m pipelines.categorize_tracks")
    parser = make_parser()
    known, beam_flags = parser.parse_known_args(command[3:])
    check_beam_flags(beam_flags, flags_of(parser))
    places = {"--catalog": known.catalog, "--audio_root": known.audio_root, "--output": known.output}
    assert dataflow_flags([*beam_flags, "--no_auth"], places) == ["--experiments=no_use_multiple_sdk_containers"]


def test_the_template_is_run_with_parameters_that_it_has() -> None:
    (command,) = commands("gcloud dataflow flex-template run")
    parameters = command[command.index("--parameters") + 1]
    assert parameters.startswith("^;^")  # gcloud's way to say that a semicolon parts them
    given = dict(parameter.split("=", 1) for parameter in parameters.removeprefix("^;^").split(";"))
    metadata = json.loads((ROOT / "docker" / "flex_template.json").read_text())
    known = {parameter["name"]: parameter for parameter in metadata["parameters"]}
    assert given.keys() <= known.keys()
    assert {name for name, parameter in known.items() if not parameter["isOptional"]} <= given.keys()
    assert all(re.search(pattern, given[name]) for name in given for pattern in known[name].get("regexes", []))


def test_files_that_commands_name_are_there() -> None:
    names = re.findall(r"\b(?:docker|configs)/[\w./]+", TEXT)
    assert {name for name in names if not (ROOT / name).exists() and not name.startswith("config/")} == set()
    assert "docker/Dockerfile" in names
