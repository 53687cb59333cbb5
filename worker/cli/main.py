"""The `surety` command."""

from __future__ import annotations

import typer

from worker.cli.audit_log import app as audit_log
from worker.cli.bridge import bridge
from worker.cli.demo import demo
from worker.cli.doctor import doctor
from worker.cli.explain import explain
from worker.cli.keys import app as keys
from worker.cli.models import models
from worker.cli.serve import serve
from worker.cli.verify import verify
from worker.cli.work import worker

app = typer.Typer(
    name="surety",
    help="Certified explanations: a saliency map, and a proven bound on how much of it survives every small change.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (demo, serve, explain, verify, models, doctor, worker, bridge):
    app.command()(command)
app.add_typer(keys, name="keys")
app.add_typer(audit_log, name="audit-log")
