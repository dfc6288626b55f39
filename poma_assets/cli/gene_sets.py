"""Commands around gene sets: what there is, fetching others, looking into them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from poma_assets.cli.context import JsonOption, StudyOption, err, out
from poma_assets.science.errors import GeneSetError, InputError

if TYPE_CHECKING:
    from poma_assets.config import Study
    from poma_assets.science.enrichment.gmt import GeneSet
    from poma_assets.storage.gene_set_cache import FetchedGeneSets
    from poma_assets.storage.package_data import GeneSetProvenance
    from poma_assets.tools.gene_set_services import GeneSetService

_SHOWN_TERMS = 20
_NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"

gene_sets = typer.Typer(
    help="Gene sets: what there is, fetching others (KEGG, Hallmark, Reactome, any GMT file), looking into them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(gene_sets, name="gene-sets")


@gene_sets.command("list")
def list_gene_sets(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """List the gene sets that ship, those fetched into the study, and the study's own files."""
    from poma_assets.storage.gene_set_cache import cached_gene_sets
    from poma_assets.storage.package_data import shipped_gene_sets
    from poma_assets.study_config import CONFIG_NAME
    from poma_assets.tools.gene_set_services import SERVICES

    opened = _study_or_none(study)
    used = opened.config.gene_sets if opened else []
    rows = shipped_gene_sets()
    if opened:
        rows += cached_gene_sets(opened.root)
        rows += _own_files(opened, known={row.name for row in rows})
    states = {row.name: _state(row, opened) for row in rows}
    if as_json:
        print(json.dumps([{**asdict(r), "used": r.name in used, "state": states[r.name]} for r in rows], indent=2))
        return
    table = Table("", "name", "sets", "genes", "source", "licence", "date", "SHA-256", box=None, header_style="bold")
    for row in rows:
        state = states[row.name]
        table.add_row(
            "*" if row.name in used else "",
            escape(row.name),
            f"{row.n_sets:,}",
            f"{row.n_genes:,}",
            escape(row.source),
            escape(row.licence),
            row.date,
            row.sha256[:12] if state == "ok" else f"[red]{state}[/]",
        )
    out.print(table)
    if opened:
        out.print(f"* in {CONFIG_NAME} of {escape(opened.config.name)}", soft_wrap=True)
    out.print(f"to fetch: {', '.join(SERVICES)}, or the address of a GMT file (`poma gene-sets fetch`)", markup=False)


@gene_sets.command()
def fetch(
    name: Annotated[str, typer.Argument(help="kegg, hallmark, reactome, or the address of a GMT file.")],
    study: StudyOption = None,
    address: Annotated[str, typer.Option("--from", help="Address of the service or file, instead of the public.")] = "",
    organism: Annotated[str, typer.Option(help="KEGG's code of the organism.")] = "hsa",
    called: Annotated[str, typer.Option("--name", help="Name of the file in the study, without date.")] = "",
    checksum: Annotated[str, typer.Option(help="sha256:... or md5:... that the file must have (not KEGG).")] = "",
    force: Annotated[bool, typer.Option("--force", help="Fetch again what was fetched today.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch gene sets into the study's folder gene_sets/, dated and hashed, and say how to use them."""
    from poma_assets.storage.gene_set_cache import find_cached, store_gene_sets
    from poma_assets.tools.gene_set_services import SERVICES, service_of

    opened, service, day = _study(study), service_of(name), datetime.now(UTC).date()
    is_kegg = service is SERVICES["kegg"]
    if checksum and is_kegg:
        raise InputError("--checksum is for files", found="kegg, whose sets are put together from several answers")
    source = service.address_or(address)
    file_name = _file_name(called or (f"kegg_{organism}" if is_kegg else service.name))
    if service.terms:
        err.print(service.terms, soft_wrap=True, markup=False)
    stored = None if force else find_cached(opened.root, file_name, day)
    if stored is not None and stored.source != source:
        raise InputError(
            "gene sets of this name were fetched today from another address",
            where=stored.name,
            found=stored.source,
            expected=source,
            fix="Give another name by --name, or replace them by --force.",
        )
    note = "fetched today already; --force fetches again"
    if stored is None:
        got = _fetch(service, source, organism, checksum)
        stored, note = store_gene_sets(opened.root, file_name, day, got, licence=service.licence), got.note
    _tell(opened, stored, note, file_name, as_json=as_json)


@gene_sets.command()
def show(
    name: Annotated[str, typer.Argument(help="As in poma.yaml: go_bp, or the path of a GMT file.")],
    term: Annotated[str, typer.Argument(help="Id or name of a set, or a part of it.")] = "",
    study: StudyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one gene set with its genes, or the sets whose id or name contains a text."""
    from poma_assets.storage.package_data import read_gene_sets

    opened = _study_or_none(study)
    collection = read_gene_sets(name, opened.root if opened else Path.cwd())
    found = _matching(collection.sets, term)
    if not found:
        raise InputError(
            "no gene set has this id or name", where=name, found=repr(term), fix="Give a part of its name."
        )
    if as_json:
        print(json.dumps([asdict(gene_set) for gene_set in found], indent=2))
        return
    if len(found) == 1:
        (one,) = found
        out.print(f"[bold]{escape(one.term_id)}[/]  {escape(one.term_name)}: {len(one.genes)} genes", soft_wrap=True)
        out.print(escape(" ".join(one.genes)))
        return
    table = Table("id", "name", "genes", box=None, header_style="bold")
    for gene_set in found[:_SHOWN_TERMS]:
        table.add_row(escape(gene_set.term_id), escape(gene_set.term_name), f"{len(gene_set.genes):,}")
    out.print(table)
    hidden = f" (the first {_SHOWN_TERMS} are shown)" if len(found) > _SHOWN_TERMS else ""
    out.print(f"{len(found):,} sets{hidden}")


def _study(given: Path | None) -> Study:
    from poma_assets.config import find_study_root, load_study

    return load_study(given if given is not None else find_study_root(Path.cwd()))


def _study_or_none(given: Path | None) -> Study | None:
    """The study, or None where none is named and the current folder is none."""
    from poma_assets.study_config import CONFIG_NAME

    here = Path.cwd()
    return _study(given) if given is not None or (here / CONFIG_NAME).is_file() else None


def _own_files(study: Study, known: set[str]) -> list[GeneSetProvenance]:
    """Files in ``poma.yaml`` that the user brought; without a hash if they cannot be read."""
    from poma_assets.storage.package_data import GeneSetProvenance, read_gene_sets

    rows = []
    for name in study.config.gene_sets:
        if name in known:
            continue
        size, genes, digest = 0, 0, ""
        with suppress(GeneSetError):
            collection = read_gene_sets(name, study.root)
            size, genes, digest = len(collection.sets), len(collection.genes), collection.sha256
        rows.append(GeneSetProvenance(name, size, genes, "the study's own file", "", "", "", digest))
    return rows


def _state(row: GeneSetProvenance, study: Study | None) -> str:
    from poma_assets.storage.gene_set_cache import is_intact

    if is_intact(row, study.root if study else Path.cwd()):
        return "ok"
    return "changed" if row.sha256 else "unreadable"


def _file_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise InputError(
            "this cannot be the name of a file", found=repr(name), expected="letters, digits, dots, dashes, underscores"
        )
    return name


def _fetch(service: GeneSetService, source: str, organism: str, checksum: str) -> FetchedGeneSets:
    from poma_assets.storage.package_data import read_gene_ids
    from poma_assets.tools.gene_set_services import SERVICES, fetch_gmt_file, fetch_kegg

    def tell(text: str) -> None:
        err.print(text, soft_wrap=True, markup=False)

    def asking(url: str) -> None:
        tell(f"asking {url}")

    if service is SERVICES["kegg"]:
        ids = read_gene_ids()
        symbols = dict(zip(ids["entrez_id"], ids["gene_symbol"], strict=True))
        return fetch_kegg(source, organism, symbols, on_step=asking, on_wait=tell)
    return fetch_gmt_file(source, checksum=checksum or None, on_step=asking, on_wait=tell)


def _tell(study: Study, stored: GeneSetProvenance, note: str, file_name: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**asdict(stored), "path": str(study.root / stored.name), "note": note}, indent=2))
        return
    release = f", release {stored.release}" if stored.release else ""
    out.print(
        f"{stored.name}: {stored.n_sets:,} sets, {stored.n_genes:,} genes{release}, SHA-256 {stored.sha256[:12]}",
        soft_wrap=True,
        markup=False,
    )
    if note:
        out.print(note, soft_wrap=True, markup=False)
    from poma_assets.study_config import CONFIG_NAME

    line = _configuration_line(study.config.gene_sets, stored.name, file_name)
    if line is not None:
        out.print(f"to use them, write in {CONFIG_NAME}:\n  {line}", soft_wrap=True, markup=False)


def _configuration_line(present: Sequence[str], new: str, file_name: str) -> str | None:
    """The line of ``poma.yaml`` with the new gene sets in the place of those of another day; None if it is there."""
    import yaml

    from poma_assets.storage.gene_set_cache import cached_name

    if new in present:
        return None
    other_day = re.compile(
        re.escape(cached_name(file_name, date.min)).replace(re.escape(date.min.isoformat()), r"[\d-]+")
    )
    older = [name for name in present if other_day.fullmatch(name)]
    names = (
        [new if name == older[0] else name for name in present if name not in older[1:]] if older else [*present, new]
    )
    return f"gene_sets: {yaml.safe_dump(names, default_flow_style=True, width=10_000).strip()}"


def _matching(sets: Iterable[GeneSet], term: str) -> list[GeneSet]:
    """The set of this id or name; else all that contain the text."""
    every, wanted = list(sets), term.casefold()
    exact = [s for s in every if wanted in (s.term_id.casefold(), s.term_name.casefold())]
    if len(exact) == 1:
        return exact
    return [s for s in every if wanted in s.term_id.casefold() or wanted in s.term_name.casefold()]
