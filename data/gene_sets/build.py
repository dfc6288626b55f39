"""Make the shipped gene sets from Debian's r-bioc-org.hs.eg.db and r-bioc-go.db (SQLite inside; no R needed).

Only the making of ``data/gene_sets`` belongs here; nothing of the package imports it.

``python data/gene_sets/build.py`` downloads both Debian packages into a temporary folder (apt-get and dpkg)
and writes the files beside this script. ``--org-db`` and ``--go-db`` take unpacked SQLite files instead;
``--output`` writes elsewhere; ``--check`` compares with the committed files and writes nothing.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("r-bioc-org.hs.eg.db", "r-bioc-go.db")
MIN_SIZE, MAX_SIZE = 5, 500
ONTOLOGIES = ("BP", "MF", "CC")
GENE_IDS, SOURCES = "human_gene_ids.tsv.gz", "sources.tsv"
GO_LICENCE = "CC BY 4.0 (Gene Ontology Consortium)"

# org.Hs.egGO2ALLEGS, by ontology: go_bp_all holds every term with the genes of its descendants.
TERM_GENES = """
    SELECT DISTINCT go_{ontology}_all.go_id, gene_info.symbol
    FROM go_{ontology}_all JOIN gene_info USING (_id)
"""
GENE_ROWS = """
    SELECT DISTINCT genes.gene_id, gene_info.symbol, ensembl.ensembl_id
    FROM genes JOIN gene_info USING (_id) JOIN ensembl USING (_id)
"""


def unpack_packages(folder: Path) -> tuple[Path, Path]:
    """Download and unpack both Debian packages; return the paths of their SQLite files."""
    subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, check=True)
    for package in sorted(folder.glob("*.deb")):
        print(f"{sha256(package.read_bytes())}  {package.name}")
        subprocess.run(["dpkg", "-x", str(package), str(folder / "unpacked")], check=True)
    library = folder / "unpacked/usr/lib/R/site-library"
    return library / "org.Hs.eg.db/extdata/org.Hs.eg.sqlite", library / "GO.db/extdata/GO.sqlite"


def query(database: Path, sql: str) -> list[tuple[str, ...]]:
    """Rows of a read-only query."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def gene_set_lines(org_db: Path, go_db: Path, ontology: str) -> list[str]:
    """GMT lines ``GO id, name, symbols...`` of one ontology, terms and symbols sorted, sizes 5 to 500."""
    names = dict(query(go_db, f"SELECT go_id, term FROM go_term WHERE ontology = '{ontology}'"))
    genes: dict[str, set[str]] = defaultdict(set)
    for term, symbol in query(org_db, TERM_GENES.format(ontology=ontology.lower())):
        genes[term].add(symbol)
    print(f"{len(genes):,} GO {ontology} terms with human genes")
    return [
        "\t".join([term, names[term], *sorted(genes[term])])
        for term in sorted(genes)
        if MIN_SIZE <= len(genes[term]) <= MAX_SIZE
    ]


def gene_id_lines(org_db: Path) -> list[str]:
    """One line per Entrez id and Ensembl gene id, in order of Entrez id, with a header."""
    rows = sorted(query(org_db, GENE_ROWS), key=lambda row: (int(row[0]), row[2]))
    return ["entrez_id\tgene_symbol\tensembl_gene_id", *("\t".join(row) for row in rows)]


def plain_lines(lines: Iterable[str]) -> bytes:
    """Lines as a text file."""
    return "".join(f"{line}\n" for line in lines).encode()


def gzip_lines(lines: Iterable[str]) -> bytes:
    """Gzip without name and time, so that equal lines give equal bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(plain_lines(lines))
    return buffer.getvalue()


def unpacked(name: str, content: bytes) -> bytes:
    """Content of a file without its gzip layer, if it has one."""
    return gzip.decompress(content) if name.endswith(".gz") else content


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def build(org_db: Path, go_db: Path) -> dict[str, bytes]:
    """Content of the files to ship, by name."""
    for database in (org_db, go_db):
        dates = query(database, "SELECT name, value FROM metadata WHERE name LIKE '%SOURCEDATE' ORDER BY name")
        print(f"{sha256(database.read_bytes())}  {database.name}: " + ", ".join(f"{n} {v}" for n, v in dates))
    release = dict(query(go_db, "SELECT name, value FROM metadata"))["GOSOURCEDATE"]
    files, rows = {}, ["\t".join(["name", "file", "n_sets", "n_genes", "source", "date", "licence", "sha256"])]
    for ontology in ONTOLOGIES:
        lines = gene_set_lines(org_db, go_db, ontology)
        name = f"go_{ontology.lower()}"
        files[f"{name}.symbols.gmt.gz"] = gzip_lines(lines)
        rows.append(source_row(name, ontology, lines, release))
    files[GENE_IDS] = gzip_lines(gene_id_lines(org_db))
    files[SOURCES] = plain_lines(rows)
    return files


def source_row(name: str, ontology: str, lines: list[str], release: str) -> str:
    """One line of ``sources.tsv``; the hash is that of the unpacked file."""
    genes = {gene for line in lines for gene in line.split("\t")[2:]}
    source = f"Gene Ontology {ontology}, human (Bioconductor 3.16)"
    digest = sha256(plain_lines(lines))
    fields = (name, f"{name}.symbols.gmt.gz", len(lines), len(genes), source, release, GO_LICENCE, digest)
    return "\t".join(map(str, fields))


def write_or_check(files: dict[str, bytes], folder: Path, *, check: bool) -> int:
    """Write the files, or compare their unpacked content with those in the folder; return the exit status."""
    status = 0
    for name, content in files.items():
        text = unpacked(name, content)
        size = f"{len(text.splitlines()):,} lines, {len(content):,} bytes"
        print(f"{name}: {size}, unpacked SHA-256 {sha256(text)}")
        if not check:
            (folder / name).write_bytes(content)
        elif not (folder / name).is_file() or unpacked(name, (folder / name).read_bytes()) != text:
            print(f"{folder / name} is missing or differs", file=sys.stderr)
            status = 1
    return status


def main() -> int:
    """Parse the command line, build, and write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--org-db", type=Path, help="org.Hs.eg.sqlite (else downloaded)")
    parser.add_argument("--go-db", type=Path, help="GO.sqlite (else downloaded)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")
    parser.add_argument("--check", action="store_true", help="compare with the files in the output folder")
    arguments = parser.parse_args()
    if (arguments.org_db is None) != (arguments.go_db is None):
        parser.error("give both --org-db and --go-db, or neither")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.org_db is None:
            arguments.org_db, arguments.go_db = unpack_packages(Path(folder))
        files = build(arguments.org_db, arguments.go_db)
    return write_or_check(files, arguments.output, check=arguments.check)


if __name__ == "__main__":
    sys.exit(main())
