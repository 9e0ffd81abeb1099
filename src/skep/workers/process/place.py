"""Which program an attempt runs, and where."""

from __future__ import annotations

import os
from pathlib import Path

from skep.workers.base import Ctx


def program_and_cwd(ctx: Ctx, program: str, cwd: str | None) -> tuple[str, str]:
    """The program, found from the Blueprint's folder (else from where it runs) if it is a path; and where it runs.

    That is `cwd`, seen from the Blueprint's folder; else the run's `work_dir`, else that folder.
    """
    home = ctx.blueprint_dir or ctx.work_dir or str(Path.cwd())
    place = ctx.work_dir or home if cwd is None else str(Path(home, cwd))
    if os.sep in program and not program.startswith(os.sep):
        program = str(Path(ctx.blueprint_dir or place, program))
    return program, place
