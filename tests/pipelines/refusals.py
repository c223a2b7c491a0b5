"""What a job says when it refuses a command line."""

from collections.abc import Callable, Sequence

from pipelines.command_line import exit_status


def refusal(capsys, run: Callable[[Sequence[str] | None], int], *argv: object) -> str:
    """The one sentence that a job prints on standard error before it ends with status 2."""
    assert exit_status(run, [str(argument) for argument in argv]) == 2
    message = capsys.readouterr().err
    assert message.startswith("earmark: ")
    assert message.count("\n") == 1, message
    return message.strip()
