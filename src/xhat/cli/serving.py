"""The command that serves the labelling pages."""

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from xhat.cli.app import AllowHost, Host, Port, Proxied
from xhat.cli.labels import DEFAULT_DB, Db, asking_of, label, open_database
from xhat.cli.options import Labels, Reference
from xhat.cli.shell import console, progress_bar

if TYPE_CHECKING:
    from xhat.apps.label import Asking, Database, Invitation, Settings

__all__ = ["serve_labelling"]

_PURPOSES = ("labels", "results")


@label.command(
    name="serve",
    epilog="Example: xhat label serve --db sqlite:///labels.sqlite --images digits:test --invite 3",
)
def serve_labelling(
    db: Db = DEFAULT_DB,
    images: Annotated[
        list[str] | None,
        typer.Option(
            help="digits:SPLIT, a results.parquet, .npy, .npz, a folder of pictures, or reference "
            "for all of --reference. Repeatable. \\[default: reference, where there is one]"
        ),
    ] = None,
    reference: Reference = None,
    labels: Labels = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A classifier, as package.module:attribute, that must agree on gold images.",
            rich_help_panel="What is real",
        ),
    ] = None,
    invite: Annotated[int, typer.Option(help="Make so many invitation links.")] = 0,
    days: Annotated[float, typer.Option(help="For which the links can be opened.")] = 90.0,
    each: Annotated[int, typer.Option(help="People who are to see every image.")] = 3,
    quota: Annotated[int, typer.Option(help="Images that a person is asked for.")] = 200,
    repeats: Annotated[float, typer.Option(help="Share that a person has seen before.")] = 0.05,
    golds: Annotated[float, typer.Option(help="Share whose answer is known.")] = 0.05,
    random: Annotated[float, typer.Option(help="Share drawn at random, not by ambiguity.")] = 0.25,
    limit: Annotated[int | None, typer.Option(help="Of each source take so many.")] = None,
    purpose: Annotated[
        str | None,
        typer.Option(help="labels or results. \\[default: results for a results.parquet]"),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    allow_host: AllowHost = None,
    proxied: Proxied = False,
    seed: Annotated[int, typer.Option(help="Of the order of images.")] = 0,
) -> None:
    """Serve the pages where people say what they see, and print their invitation links."""
    from xhat.core import check_choice, check_count

    if invite:
        check_count("the number of invitations", invite)
    made_by_search = any(source.endswith(".parquet") for source in images or ())
    purpose = purpose or ("results" if made_by_search else "labels")
    check_choice("purpose", purpose, _PURPOSES)
    with open_database(db, create=True) as database:
        from xhat.apps.label import Settings
        from xhat.apps.web import serving

        settings = Settings(
            each=each, repeats=repeats, golds=golds, quota=quota, purpose=purpose, seed=seed
        )
        serving.listen(host, port).close()  # before a minute is spent on looking at images
        sources = images or ([] if reference is None else ["reference"])
        _check_begun(database, sources)
        if sources:
            asking = asking_of(sources, model, reference, labels)
            _put(database, asking, settings, sources, limit, random)
        made = _invite(database, invite, days)
        _serve(database, made, host, port, tuple(allow_host or ()), proxied=proxied)


def _check_begun(database: "Database", sources: list[str]) -> None:
    from xhat.apps.label import settings_of

    with database.read() as connection:
        if settings_of(connection) is None and not sources:
            raise ValueError(
                f"{database.url} holds no collection yet; say what to ask about, such as "
                f"--images digits:test, or --reference."
            )


def _put(
    database: "Database",
    asking: "Asking",
    settings: "Settings",
    sources: list[str],
    limit: int | None,
    random: float,
) -> None:
    """Put the images into the database."""
    from xhat.apps.label import progress, settings_of

    with database.read() as connection:
        known = settings_of(connection)
    with progress_bar() as update:
        asking.ask(
            database,
            sources,
            settings,
            time.time(),
            limit=limit,
            random=random,
            golds=50 if settings.golds else 0,
            on_progress=update,
        )
    with database.read() as connection:
        count = progress(connection).images
    console.print(f"{count} images are asked about, in {database.url}.", markup=False)
    if known is not None and known != replace(settings, classes=known.classes, task=known.task):
        console.print("The collection keeps the settings that it was begun with.")


def _invite(database: "Database", count: int, days: float) -> "list[Invitation]":
    from xhat.apps.label import invite

    if not count:
        return []
    return database.write(lambda connection: invite(connection, count, time.time(), days=days))


def _serve(
    database: "Database",
    made: "list[Invitation]",
    host: str,
    port: int,
    names: tuple[str, ...],
    *,
    proxied: bool,
) -> None:
    from xhat.apps.label import settings_of
    from xhat.apps.label.pages import CLASSROOM, labelling
    from xhat.apps.web import build, own_names, serve

    with database.read() as connection:
        settings = settings_of(connection)
    if settings is None:
        raise ValueError(f"{database.url} holds no collection.")
    secret = secrets.token_urlsafe(32)
    part = labelling(database, settings, administrator=secret)
    if made:
        console.print("Invitations, one for each person; they are shown this once:")
    serve(
        build(part, hosts=(*own_names(host), *names), rate=CLASSROOM),
        host,
        port,
        say=lambda line: console.print(line, markup=False),
        paths=(*(f"/label#{each.token}" for each in made), f"/admin#{secret}"),
        proxied=proxied,
    )
