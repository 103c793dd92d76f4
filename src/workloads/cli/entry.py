"""From arguments to an exit code: every way in which a command can end is handled here."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workloads.cli.app import PROGRAM, app
from workloads.cli.exit_codes import ExitCode, of_error
from workloads.cli.invocation import Invocation
from workloads.cli.render import error_text
from workloads.cli.text import escape_lines
from workloads.errors import WorkloadsError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("run",)


def run(argv: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code.

    Args:
        argv: The arguments after the program's name.
    """
    _prepare_streams()
    if f"_{PROGRAM.upper()}_COMPLETE" in os.environ:
        app.main(prog_name=PROGRAM)  # a shell asks for completions; this prints them and exits
    invocation = Invocation()
    try:
        with app.make_context(PROGRAM, list(argv), obj=invocation) as context:
            result = app.invoke(context)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        _leave_at_next_interrupt()
        _tell("interrupted")
        return ExitCode.INTERRUPTED
    except click.exceptions.Exit as wish:
        return wish.exit_code
    except click.ClickException as failure:
        _tell(f"error: {failure.format_message()}{_where_help_is(failure)}")
        return failure.exit_code
    except BrokenPipeError:
        _discard_output()
        return ExitCode.OUTPUT_CLOSED
    except WorkloadsError as failure:
        return _fail(error_text(failure), of_error(failure), invocation)
    except Exception as failure:  # noqa: BLE001  # the outermost place: people get a sentence, not a traceback
        return _fail(_internal(failure), ExitCode.FAILURE, invocation)
    return result if isinstance(result, int) else ExitCode.OK


def _where_help_is(failure: click.ClickException) -> str:
    context = failure.ctx if isinstance(failure, click.UsageError) else None
    return f"\nsee `{context.command_path} --help`" if context is not None else ""


def _internal(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"internal error: {type(error).__name__}: {error}\nthis is a defect; run it again with --debug to see where"


def _fail(message: str, code: ExitCode, invocation: Invocation) -> ExitCode:
    if invocation.debug:
        traceback.print_exc()
    _tell(f"error: {message}")
    return code


def _tell(message: str) -> None:
    # A message may quote what a server wrote. Nobody may be left to read it.
    try:
        click.echo(escape_lines(message), err=True)
    except OSError:
        _discard_output()


def _prepare_streams() -> None:
    # A process may have been started with a stream closed; then it is None here, though its type says it cannot be.
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a narrow locale must not end a command


def _leave_at_next_interrupt() -> None:
    # At its exit the interpreter waits for operations under way; another Ctrl-C shall end that wait, without traceback.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _discard_output() -> None:
    # The interpreter flushes its streams at exit, which would complain about the closed pipe again.
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            try:
                os.dup2(null, stream.fileno())
            except (OSError, ValueError, AttributeError):
                continue  # not backed by a descriptor, so nothing to silence
    os.close(null)
