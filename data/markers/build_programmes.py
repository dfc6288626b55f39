"""Make ``programmes.tsv`` from the Hallmark gene sets of MSigDB and the shipped table of gene ids.

``python data/markers/build_programmes.py h.all.v7.0.symbols.gmt`` writes beside this script; ``--check`` compares only.
The GMT file is what ``poma gene-sets fetch hallmark`` or MSigDB gives; nothing of the package imports this script.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import sys
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).parent
GENE_IDS = HERE.parent / "gene_sets" / "human_gene_ids.tsv.gz"
OUTPUT = HERE / "programmes.tsv"
VERSION = "programmes 1.0"
# A gene of a programme is in all of its Hallmark sets.
PROGRAMMES = {
    "proliferation": ("HALLMARK_G2M_CHECKPOINT", "HALLMARK_E2F_TARGETS"),
    "apoptosis": ("HALLMARK_APOPTOSIS",),
    "unfolded_protein_response": ("HALLMARK_UNFOLDED_PROTEIN_RESPONSE",),
    "interferon": ("HALLMARK_INTERFERON_ALPHA_RESPONSE",),
}


def table(gmt: str) -> str:
    """Return the table: genes of one programme only, with their Ensembl id where it is unambiguous."""
    fields = [line.split("\t") for line in gmt.splitlines()]
    sets = {name: set(symbols) for name, _, *symbols in fields}
    ids: dict[str, list[str]] = defaultdict(list)
    for line in gzip.decompress(GENE_IDS.read_bytes()).decode().splitlines()[1:]:
        _, symbol, ensembl = line.split("\t")
        ids[symbol].append(ensembl)
    genes = {name: set.intersection(*(sets[part] for part in parts)) for name, parts in PROGRAMMES.items()}
    times = Counter(symbol for chosen in genes.values() for symbol in chosen)
    lines = ["programme\tgene_symbol\tensembl_gene_id\tsource\tversion"]
    for name, parts in PROGRAMMES.items():
        source = "MSigDB 7.0 " + " and ".join(parts)
        for symbol in sorted(genes[name]):
            if times[symbol] == 1:
                ensembl = ids[symbol][0] if len(ids[symbol]) == 1 else ""
                lines.append("\t".join([name, symbol, ensembl, source, VERSION]))
        kept = sum(times[symbol] == 1 for symbol in genes[name])
        print(f"{name}: {kept} genes of {len(genes[name])}; the others are in another programme, too", file=sys.stderr)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Build, and write or check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hallmark", type=Path, help="GMT file of the Hallmark sets, gene symbols")
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    arguments = parser.parse_args()
    content = arguments.hallmark.read_bytes()
    print(f"{hashlib.sha256(content).hexdigest()}  {arguments.hallmark.name}", file=sys.stderr)
    made = table(content.decode())
    if arguments.check:
        return int(made != OUTPUT.read_text(encoding="utf-8"))
    OUTPUT.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
