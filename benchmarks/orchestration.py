"""What orchestration costs: one chain of tools on the same reads, run by bash, by Snakemake and by ``poma run``.

``python benchmarks/orchestration.py [--folder DIR] [--pairs 200000] [--repeats 3] [--htseq off on] [--quick]``

Eight samples are simulated by ``simulate.py`` of the baselines (``--baselines``, default ``../shared/baselines``), then
every way makes the same artefacts with the same options (cutadapt -q 20 -m 36 -Z, FastQC of raw and trimmed reads, STAR
with sorted and indexed BAM, featureCounts -p -B -C -s 2, MultiQC), from a genome without index:

- bash: ``chain.sh`` with TRIM=cutadapt; lean with two jobs; plain with two jobs of one thread; plain, one job of two.
  It always calls htseq-count: for "htseq off" an ``htseq-count`` that does nothing stands first in its PATH.
- Snakemake: a copy of the ``Snakefile`` whose rule fastp is exchanged for cutadapt and, for "off", without htseq's
  outputs; -j2, one thread a rule. It runs in an environment of its own, made by ``--install-snakemake``.
- poma, same artefacts: the command line's own ``run`` with its phases cut down to reference, samples and MultiQC.
- poma, whole study: ``poma run`` as anybody calls it; beside the above it makes the matrix, identity, differential
  expression, enrichment, verdicts and reports of two contrasts, 2 against 2 samples each.

Differences that remain: poma reads every FASTQ and BAM through to check it, hashes all files, has STAR count genes
(about 3 % of its time), infers the strandedness and makes no samtools flagstat; its STAR writes the attribute MD;
bash in its lean mode sorts by samtools and counts all samples in one call of featureCounts.

Then a second run with nothing to do, and one more sample (every other pair of two samples): ``poma run`` against the
tools of that sample alone plus poma's own cohort steps. The ways change their order from repetition to repetition.
CPU is of all processes, by the kernel's account (``process_cost.py --self-test``); "others" is what the machine did
beside: figures count only where it is small.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from process_cost import Cost, measure

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
TOOLS = ("STAR --version", "fastqc --version", "featureCounts -v", "cutadapt --version", "multiqc --version")
CUTADAPT_RULE = """rule fastp:
    input: lambda w: ROWS[w.s]
    output: r1="trim/{s}_R1.fastq.gz", r2="trim/{s}_R2.fastq.gz", j="trim/{s}.cutadapt.json"
    threads: T
    shell: "cutadapt -j {threads} -q 20 -m 36 -Z -a AGATCGGAAGAGC -A AGATCGGAAGAGC -o {output.r1} -p {output.r2} \
--json {output.j} {input} > /dev/null"
"""
SAME_ARTEFACTS = """
from poma_assets.worker_pool import prepare_workers
if __name__ == "__main__":
    prepare_workers()  # as the command line does
import poma_assets.launcher as launcher
import poma_assets.phases as phases
from poma_assets.cli.main import main
kept = tuple(p for p in phases.PHASES if p.title in ("reference", "samples", "htseq", "multiqc"))
launcher.phases_until = lambda title: kept
if __name__ == "__main__":
    main()
"""
NINTH = "MM1S_DMSO_3"
SAMPLE_STEPS, COHORT_STEPS = "steps of that sample", "steps of cohort, contrasts and reports"


class Bench:
    """The data, the environment and the folders of one benchmark."""

    def __init__(self, folder: Path, baselines: Path, snakemake: Path, poma_jobs: int) -> None:
        self.folder, self.baselines, self.snakemake, self.poma_jobs = folder, baselines, snakemake, poma_jobs
        self.data = folder / "data"
        self.results: dict[str, list[Cost]] = {}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        python_path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        self.env = {**os.environ, "PATH": path, "PYTHONPATH": python_path, "TRIM": "cutadapt"}

    def run(self, title: str, argv: list[str | Path], *, cwd: Path | None = None, env: dict[str, str] | None = None):
        cost = measure(argv, log=self.folder / "last.log", cwd=cwd, env=env or self.env)
        self.results.setdefault(title, []).append(cost)
        print(f"| {title} | {cost.wall_s:.1f} | {cost.cpu_s:.1f} | {cost.peak_mib:,.0f} | {cost.others_cpu_s:.1f} |")
        sys.stdout.flush()
        return cost

    def fresh(self, name: str) -> Path:
        """An empty folder of that name."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir(parents=True)
        return self.folder / name

    def simulate(self, pairs: int) -> None:
        done = self.data / "pairs"
        if not done.is_file() or done.read_text() != str(pairs):
            shutil.rmtree(self.data, ignore_errors=True)
            command = [sys.executable, self.baselines / "simulate.py", self.data, "--pairs", str(pairs)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            _mix_a_ninth_sample(self.data)
            done.write_text(str(pairs))

    def bash(self, mode: str, threads: int, jobs: int, htseq: bool) -> str:
        title = f"bash, {mode}, {jobs} job{'s' * (jobs > 1)} of {threads} thread{'s' * (threads > 1)}"
        env = self.env if htseq else {**self.env, "PATH": f"{self._idle_htseq()}{os.pathsep}{self.env['PATH']}"}
        arguments = [self.data / "samples.tsv", *self._reference(), self.fresh("bash"), str(threads), mode, str(jobs)]
        self.run(_named(title, htseq), ["bash", self.baselines / "chain.sh", *arguments], env=env)
        return title

    def run_snakemake(self, title: str, sheet: str, htseq: bool, *, fresh: bool = False) -> None:
        folder = self.fresh("snakemake") if fresh else self.folder / "snakemake"
        (folder / "Snakefile").write_text(_with_cutadapt((self.baselines / "Snakefile").read_text(), htseq=htseq))
        genome, gtf = self._reference()
        values = [f"samples={self.data / sheet}", f"genome={genome}", f"gtf={gtf}", "threads=1"]
        argv: list[str | Path] = [self.snakemake, "-s", folder / "Snakefile", "-j2", "-d", folder, "--config", *values]
        self.run(_named(title, htseq), argv)

    def poma(self, title: str, study: Path, htseq: bool, *, same_artefacts: bool = False) -> Cost:
        program: list[str | Path] = ["-c", SAME_ARTEFACTS] if same_artefacts else ["-m", "poma_assets.cli.main"]
        argv = [sys.executable, *program, "run", "--study", study, "--jobs", str(self.poma_jobs), *["--htseq"] * htseq]
        return self.run(_named(title, htseq), argv, cwd=study, env={**self.env, "POMA_CACHE": str(study / "cache")})

    def new_study(self, name: str) -> Path:
        """A study of the eight samples; its STAR index is made anew, in a cache of its own."""
        study = self.fresh(name)
        genome, gtf = self._reference()
        config = {
            "name": "orchestration",
            "reference": {"genome": str(genome), "annotation": str(gtf)},
            "profile": "small_reference",
            "trimming": {"quality": 20, "min_length_bp": 36},
            "gene_sets": [str(self.data / "ref" / "genes.gmt")],
        }
        (study / "poma.yaml").write_text(json.dumps(config, indent=1))
        self.write_sheet(study, "samples.tsv")
        lines = ["id\tvariable\treference\ttarget\tsubset"]
        lines += [f"pom_{line}\ttreatment\tDMSO\tpomalidomide\tcell_line={line}" for line in ("MM1S", "U266")]
        (study / "contrasts.tsv").write_text("\n".join(lines) + "\n")
        return study

    def write_sheet(self, study: Path, sheet: str) -> None:
        lines = ["sample\tfastq_1\tfastq_2\tstrandedness\tcell_line\tcell_context\tsensitivity\ttreatment\treplicate"]
        for row in _rows(self.data / sheet):
            drug = "pomalidomide" if row["treatment"] == "POM" else "DMSO"
            reads = [str(self.data / row[read]) for read in ("fastq_1", "fastq_2")]
            values = [row["sample"], *reads, "auto", row["cell_line"], "myeloma", "sensitive", drug, row["replicate"]]
            lines.append("\t".join(values))
        (study / "samples.tsv").write_text("\n".join(lines) + "\n")

    def tools_of_ninth_sample(self, study: Path) -> None:
        """The programs of one sample on all cores, with nothing around them."""
        out, cores = self.fresh("ninth"), os.cpu_count() or 1
        raw = [self.data / "fastq" / f"{NINTH}_R{read}.fastq.gz" for read in (1, 2)]
        trimmed = [out / f"R{read}.fastq.gz" for read in (1, 2)]
        index = next((study / "cache").glob("star_index/*/genomeParameters.txt")).parent
        script = f"""set -e
        fastqc -q -t {cores} -o {out} {raw[0]} {raw[1]}
        cutadapt -j {cores} -q 20 -m 36 -Z -a AGATCGGAAGAGC -A AGATCGGAAGAGC -o {trimmed[0]} -p {trimmed[1]} \
          {raw[0]} {raw[1]}
        fastqc -q -t {cores} -o {out} {trimmed[0]} {trimmed[1]}
        STAR --runThreadN {cores} --genomeDir {index} --readFilesIn {trimmed[0]} {trimmed[1]} --readFilesCommand zcat \
          --outFileNamePrefix {out}/ --outSAMtype BAM SortedByCoordinate --quantMode GeneCounts
        samtools index {out}/Aligned.sortedByCoord.out.bam
        featureCounts -T {cores} -p --countReadPairs -B -C -s 2 -t exon -g gene_id -a {self._reference()[1]} \
          -o {out}/counts.txt {out}/Aligned.sortedByCoord.out.bam"""
        self.run("tools of that sample alone", ["bash", "-c", script])

    def _reference(self) -> tuple[Path, Path]:
        return self.data / "ref" / "genome.fa", self.data / "ref" / "genes.gtf"

    def _idle_htseq(self) -> Path:
        folder = self.folder / "idle_htseq"
        folder.mkdir(exist_ok=True)
        (folder / "htseq-count").write_text("#!/bin/sh\nexit 0\n")
        (folder / "htseq-count").chmod(0o755)
        return folder


def _named(title: str, htseq: bool) -> str:
    return f"{title}, htseq {'on' if htseq else 'off'}"


def _rows(sheet: Path) -> list[dict[str, str]]:
    with sheet.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _with_cutadapt(snakefile: str, *, htseq: bool) -> str:
    before, _, rest = snakefile.partition("rule fastp:")
    text = before + CUTADAPT_RULE + rest[rest.index("rule ") :]
    text = text.replace("trim/{s}.fastp.json", "trim/{s}.cutadapt.json")
    if not htseq:
        text = text.replace('c=["fc", "htseq"]', 'c=["fc"]')
    if "fastp.json" in text or (not htseq and '"htseq"]' in text):
        raise SystemExit("the Snakefile of the baselines is not as this benchmark knows it")
    return text


def _mix_a_ninth_sample(data: Path) -> None:
    """Write a ninth sample, every other pair of two samples, and a sheet that has it."""
    for read in (1, 2):
        with gzip.open(data / "fastq" / f"{NINTH}_R{read}.fastq.gz", "wb", compresslevel=1) as mixed:
            for parity in (0, 1):
                path = data / "fastq" / f"MM1S_DMSO_{parity + 1}_R{read}.fastq.gz"
                mixed.write(b"".join(_every_other_record(path, parity)))
    row = f"{NINTH}\tMM1S\tDMSO\t3\tfastq/{NINTH}_R1.fastq.gz\tfastq/{NINTH}_R2.fastq.gz\n"
    (data / "samples9.tsv").write_text((data / "samples.tsv").read_text() + row)


def _every_other_record(path: Path, parity: int) -> Iterator[bytes]:
    with gzip.open(path, "rb") as lines:
        for number, line in enumerate(lines):
            if number // 4 % 2 == parity:
                yield line


def steps_since(study: Path, began: float) -> dict[str, list[tuple[str, float]]]:
    """The steps that a run executed, with their wall seconds: those of the ninth sample and the others."""
    from poma_assets.storage.warehouse import Warehouse

    steps = Warehouse(study / "results" / "warehouse.duckdb").steps()
    recent = steps.loc[steps["finished_at"].astype("int64") / 1e6 > began]
    found: dict[str, list[tuple[str, float]]] = {SAMPLE_STEPS: [], COHORT_STEPS: []}
    for row in recent.itertuples():
        name = f"{row.asset} {row.partition}".strip()
        found[SAMPLE_STEPS if row.partition == NINTH else COHORT_STEPS].append((name, float(row.wall_s)))
    return found


def compare_ways(bench: Bench, options: argparse.Namespace, htseq: bool) -> None:
    """All ways from nothing to the artefacts, in rotating order."""
    ways: list[Callable[[], object]] = [
        lambda: bench.bash("lean", 1, 2, htseq),
        lambda: bench.run_snakemake("Snakemake, -j2", "samples.tsv", htseq, fresh=True),
        lambda: bench.poma("poma, same artefacts", bench.new_study("same"), htseq, same_artefacts=True),
        lambda: bench.poma("poma, whole study", bench.new_study("study"), htseq),
        lambda: bench.bash("plain", 1, 2, htseq),
        lambda: bench.bash("plain", 2, 1, htseq),
    ]
    ways = [way for number, way in enumerate(ways) if not options.ways or number in options.ways]
    for repetition in range(options.repeats):
        turn = repetition % len(ways)
        for way in ways[turn:] + ways[:turn]:
            way()


def compare_reruns(bench: Bench, options: argparse.Namespace) -> None:
    """Nothing to do, then one more sample."""
    for _ in range(options.repeats):
        bench.run_snakemake("Snakemake, nothing to do", "samples.tsv", False)
        bench.poma("poma, nothing to do", bench.folder / "study", False)
    study = bench.folder / "study"
    bench.tools_of_ninth_sample(study)
    bench.run_snakemake("Snakemake, one more sample", "samples9.tsv", False)
    bench.write_sheet(study, "samples9.tsv")
    began = time.time()
    cost = bench.poma("poma, one more sample", study, False)
    tools = bench.results["tools of that sample alone"][-1]
    found = steps_since(study, began)
    print(f"\nsteps executed after sample 9 was added ({sum(map(len, found.values()))}):")
    for title, steps in found.items():
        told = ", ".join(f"{name} {wall_s:.2f}" for name, wall_s in steps)
        print(f"- {title}: {len(steps)}, {sum(wall_s for _, wall_s in steps):.1f} s of step wall ({told})")
    cohort_s = sum(wall_s for _, wall_s in found[COHORT_STEPS])
    print(
        f"- wall {cost.wall_s:.1f} s against tools {tools.wall_s:.1f} s + cohort {cohort_s:.1f} s: "
        f"{cost.wall_s / (tools.wall_s + cohort_s):.2f} (target 1.3)"
    )


def summary(bench: Bench) -> None:
    """Medians, and their ratios to bash and Snakemake of the same htseq."""
    print("\n| way | n | wall s | CPU s | wall / bash lean | wall / Snakemake |\n|---|---:|---:|---:|---:|---:|")
    walls = {title: statistics.median(cost.wall_s for cost in costs) for title, costs in bench.results.items()}
    for title, costs in bench.results.items():
        htseq = title.rpartition(", ")[2]
        what = title.partition(", ")[2] if "nothing" in title or "one more" in title else ""
        against = [
            walls.get("" if what else f"bash, lean, 2 jobs of 1 thread, {htseq}"),
            walls.get(f"Snakemake, {what or f'-j2, {htseq}'}"),
        ]
        ratios = [f"{walls[title] / other:.2f}" if other else "" for other in against]
        cpu_s = statistics.median(cost.cpu_s for cost in costs)
        print(f"| {title} | {len(costs)} | {walls[title]:.1f} | {cpu_s:.1f} | {' | '.join(ratios)} |")


def assigned_fragments(folder: Path) -> dict[str, int]:
    """Fragments that featureCounts assigned, by way: the sum over all its tables below the folder of a way."""
    sums = {}
    for way in ("bash", "snakemake", "same", "study"):
        paths = {*(folder / way).rglob("*.fc.txt"), *(folder / way).rglob("*.featurecounts.txt")}
        total = 0
        for path in paths:
            lines = [line.split("\t") for line in path.read_text().splitlines()[2:]]
            total += sum(int(count) for fields in lines for count in fields[6:])
        sums[way] = total
    return sums


def version_of(command: str, env: dict[str, str]) -> str:
    done = subprocess.run(command.split(), capture_output=True, text=True, errors="replace", env=env, check=False)
    found = re.search(r"\d+\.\d[\w.]*", done.stdout + done.stderr)
    return f"{Path(command.split()[0]).name} {found.group() if found else '?'}"


def install_snakemake(folder: Path) -> None:
    """Make a virtual environment with Snakemake, by name from the package index that pip is set to."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", "snakemake"], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keeps data and last results; default: a temporary one")
    parser.add_argument("--baselines", type=Path, default=REPOSITORY.parent / "shared" / "baselines")
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--htseq", nargs="+", choices=("off", "on"), default=["off", "on"])
    parser.add_argument(
        "--ways", type=int, nargs="*", help="only 0 bash lean, 1 Snakemake, 2, 3 poma, 4, 5 bash (reruns: 1 and 3)"
    )
    parser.add_argument("--poma-jobs", type=int, default=0, help="samples at once of poma run; 0: as it decides")
    parser.add_argument("--quick", action="store_true", help="20,000 pairs, one repetition")
    parser.add_argument("--snakemake", type=Path, default=Path("snakemake-venv"), help="its virtual environment")
    parser.add_argument("--install-snakemake", action="store_true", help="make that environment, if it is not there")
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.repeats = min(options.pairs, 20_000), 1
    snakemake = options.snakemake.resolve() / "bin" / "snakemake"
    if not snakemake.is_file() and options.install_snakemake:
        install_snakemake(options.snakemake.resolve())
    for program in (snakemake, shutil.which("samtools"), shutil.which("pigz")):
        if program is None or not Path(program).is_file():
            raise SystemExit(
                f"needed: Snakemake in {snakemake.parent.parent} (--install-snakemake makes it, or --snakemake names "
                "an environment that has it), samtools and pigz (sudo apt-get install samtools pigz)"
            )
    with tempfile.TemporaryDirectory(prefix="orchestration-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(folder, options.baselines.resolve(), snakemake, options.poma_jobs)
        told = [version_of(command, bench.env) for command in (*TOOLS, f"{snakemake} --version", "samtools --version")]
        print(f"{date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {', '.join(told)}")
        bench.simulate(options.pairs)
        print(f"8 samples x {options.pairs:,} pairs\n\n| way | wall s | CPU s | peak MiB | CPU s of others |")
        print("|---|---:|---:|---:|---:|")
        for word in sorted(options.htseq, reverse=True):
            compare_ways(bench, options, word == "on")
        sums = assigned_fragments(folder)
        if options.ways is None or {1, 3} <= set(options.ways):
            compare_reruns(bench, options)
        print(f"\nassigned fragments by way: {sums}")
        summary(bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
