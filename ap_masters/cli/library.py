"""``ap-masters library``: its commands, in the order in which ``--help`` lists them."""

import typer

from ap_masters.cli import keeping, overseeing

app = typer.Typer(no_args_is_help=True, help="Keep a library of masters healthy: index, due, audit, publish and more.")
app.command()(overseeing.index)
app.command()(overseeing.due)
app.command()(overseeing.audit)
app.command()(keeping.publish)
app.command()(keeping.quarantine)
app.command()(keeping.label)
app.command()(overseeing.validate)
app.command("import")(keeping.import_masters)
app.command()(keeping.mirror)
app.command()(keeping.prune)
