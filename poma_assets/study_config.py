"""What ``poma.yaml`` may say: the keys with their defaults, and errors that name line and column.

Text in, configuration out; the folder around it is in ``config``.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from poma_assets.science.errors import ConfigError
from poma_assets.science.notification_texts import (
    ENVIRONMENT_PREFIX,
    IMPLICIT_TLS_PORT,
    LOOPBACK_HOSTS,
    WEBHOOK_RULE,
    is_webhook_address,
)
from poma_assets.science.quality_gates import COHORT_METRICS
from poma_assets.science.tables import near_miss
from poma_assets.science.yaml_text import compose, entries, position
from poma_assets.storage.lake_catalogue import EMBEDDED, parse_catalogue

CONFIG_NAME = "poma.yaml"
DEFAULT_SAMPLES = "samples.tsv"
SHIPPED = "shipped"
_Bases = Annotated[str, Field(pattern=r"^[ACGTN]+$")]
_EmailAddress = Annotated[str, Field(pattern=r"\A[!#-'*-+\--9=?A-Z\^-~]+@[A-Za-z0-9.-]+\z")]


def _apart(names: list[str]) -> list[str]:
    """Collections are told apart by their file's name without folder and suffix."""
    collections = [PurePath(name).name.removesuffix(".gz").removesuffix(".gmt") for name in names]
    for name, collection in zip(names, collections, strict=True):
        if collections.count(collection) > 1:
            raise ValueError(f"gene sets of different names, but {collection!r} is there twice (such as {name!r})")
    return names


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else [] if value is None else value


def _one_own_table(names: list[str]) -> list[str]:
    own = [name for name in names if name != SHIPPED]
    if len(own) > 1 or names not in ([], [SHIPPED], own, [SHIPPED, *own]):
        raise ValueError("one file instead of the shipped table, or [shipped, FILE] to add it")
    return names


def _webhook(value: str | None) -> str | None:
    if value is not None and not value.startswith(ENVIRONMENT_PREFIX) and not is_webhook_address(value):
        raise ValueError(WEBHOOK_RULE)
    return value


def _warehouse(value: str) -> str:
    parse_catalogue(value)
    return value


def _file_name_pattern(value: str | None) -> str | None:
    rule = "a regular expression for whole file names with the groups (?P<sample>...), (?P<read>...), (?P<lane>...)"
    if value is None:
        return None
    try:
        groups = set(re.compile(value).groupindex)
    except re.error as problem:
        raise ValueError(f"{rule}; this one cannot be read: {problem}") from problem
    if "sample" not in groups or not groups <= {"sample", "read", "lane"}:
        raise ValueError(rule + "; sample is a must, other names are not known")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class ReferenceConfig(_Section):
    """Genome FASTA and annotation GTF, plain or .gz, relative to the study folder; how sparse STAR's index is.

    ``star_sparse_d`` is chosen from the machine's memory where it is not given.
    """

    genome: str | None = None
    annotation: str | None = None
    star_sparse_d: Annotated[int, Field(ge=1, le=16)] | None = None


class TrimmingConfig(_Section):
    """Adapter and quality trimming; Illumina's universal adapter unless said otherwise."""

    quality: Annotated[int, Field(ge=0, le=60)] = 20
    min_length_bp: Annotated[int, Field(ge=1)] = 20
    adapter_1: _Bases = "AGATCGGAAGAGC"
    adapter_2: _Bases = "AGATCGGAAGAGC"


class ThresholdConfig(_Section):
    """When a gene counts as differentially expressed."""

    fdr: Annotated[float, Field(gt=0, lt=1)] = 0.05
    log2_fold_change: Annotated[float, Field(ge=0)] = 1.0


class EnrichmentConfig(_Section):
    """Which gene sets are tested, by their number of tested genes, and how often genes are permuted at first."""

    min_size: Annotated[int, Field(ge=2)] = 10
    max_size: Annotated[int, Field(ge=2)] = 500
    permutations: Annotated[int, Field(ge=100, le=1_000_000)] = 1000

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.min_size > self.max_size:
            raise ValueError(f"max_size of at least min_size ({self.min_size})")
        return self


class QualityRule(_Section):
    """The study's own thresholds for one quality metric, as in ``qc_thresholds.tsv``: ``<70``, ``>5``."""

    warn: str | None = None
    fail: str | None = None


class EmailConfig(_Section):
    """Where notifications are posted by e-mail; the password is in the environment, never here."""

    to: Annotated[list[_EmailAddress], Field(min_length=1), BeforeValidator(_as_list)]
    sender: Annotated[_EmailAddress, Field(alias="from")]
    smtp_host: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$")]
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    starttls: bool = True
    user: str | None = None

    @model_validator(mode="after")
    def _password_is_encrypted(self) -> Self:
        plain = not self.starttls and self.smtp_port != IMPLICIT_TLS_PORT
        if self.user is not None and plain and self.smtp_host not in LOOPBACK_HOSTS:
            raise ValueError("'starttls: true' where there is a user: the password would travel unencrypted")
        return self


class NotificationsConfig(_Section):
    """Who is told of failures and of changed verdicts; nobody by default."""

    webhook: Annotated[str | None, Field(repr=False), AfterValidator(_webhook)] = None
    email: EmailConfig | None = None
    on: Annotated[list[Literal["failure", "verdict_change"]], BeforeValidator(_as_list)] = ["failure", "verdict_change"]

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_name(cls, value: object) -> object:
        # YAML reads the bare word ``on`` as true.
        return {"on" if key is True else key: item for key, item in value.items()} if isinstance(value, dict) else value


class InboxConfig(_Section):
    """A folder that is watched for FASTQ files, and how their names are read."""

    folder: Annotated[str, Field(min_length=1)]
    pattern: Annotated[str | None, AfterValidator(_file_name_pattern)] = None


class StudyConfig(_Section):
    """What ``poma.yaml`` says."""

    name: Annotated[str, Field(min_length=1)]
    organism: str = "human"
    reference: ReferenceConfig = ReferenceConfig()
    samples: str = DEFAULT_SAMPLES
    contrasts: str | None = None
    count_matrix: str | None = None
    round_counts: bool = False
    trimmer: Literal["cutadapt", "fastp"] = "cutadapt"
    trimming: TrimmingConfig = TrimmingConfig()
    counter: Literal["featurecounts", "star", "htseq"] = "featurecounts"
    keep: Literal["all", "bam", "counts"] = "bam"
    alignment_format: Literal["bam", "cram"] = "bam"
    engines: Annotated[list[Literal["deseq2", "edger"]], Field(min_length=1)] = ["deseq2", "edger"]
    gene_sets: Annotated[list[str], AfterValidator(_apart)] = ["go_bp"]
    enrichment: EnrichmentConfig = EnrichmentConfig()
    thresholds: ThresholdConfig = ThresholdConfig()
    vehicle: list[str] = ["DMSO", "vehicle", "untreated", "control"]
    profile: Literal["human_poly_a", "small_reference"] = "human_poly_a"
    quality: dict[str, QualityRule] = {}
    hypotheses: Annotated[list[str], BeforeValidator(_as_list), AfterValidator(_one_own_table)] = []
    cell_lines: str | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    notifications: NotificationsConfig = NotificationsConfig()
    inbox: InboxConfig | None = None
    warehouse: Annotated[str, Field(repr=False), AfterValidator(_warehouse)] = EMBEDDED


NOT_ANALYSIS = frozenset({"notifications", "inbox", "warehouse"})
"""Keys that change no result: reports do not print them as parameters."""


def parse_config(text: str) -> StudyConfig:
    """Read and validate the text of ``poma.yaml``.

    Raises
    ------
    ConfigError
        Invalid YAML, unknown or repeated keys, wrong values; with line and column.
    """
    node = compose(text, source=CONFIG_NAME, error=ConfigError)
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            "the configuration is empty" if node is None else "the configuration is not a list of keys",
            where=CONFIG_NAME,
            expected="lines of the form 'key: value', at least 'name: ...'",
        )
    _refuse_repeated_keys(node)
    try:
        config = StudyConfig.model_validate(_plain_values(text))
    except ValidationError as problem:
        raise _config_error(problem, node) from problem
    _refuse_circular_gates(config, node)
    return config


def _refuse_circular_gates(config: StudyConfig, node: yaml.MappingNode) -> None:
    for metric in COHORT_METRICS:
        rule = config.quality.get(metric)
        if rule is not None and rule.fail:
            line, column = _place(node, ("quality", metric, "fail"), "")
            raise ConfigError(
                f"{metric} can warn, but not fail: it is computed of the samples that are in the count matrix, and a "
                "failure would decide who is in it",
                where=f"{CONFIG_NAME}, line {line}, column {column}",
                found=repr(rule.fail),
                expected="warn only",
                fix="Write the threshold as 'warn'. A sample that shall stay out for it is signed for in "
                "qc_overrides.tsv with the decision exclude",
            )


def _refuse_repeated_keys(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        for entry in entries(node, source=CONFIG_NAME, error=ConfigError).values():
            _refuse_repeated_keys(entry.value)


def _plain_values(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    # ValueError: an impossible date such as 2024-13-45; the others: keys that are lists, and damaged binary values.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as problem:
        raise ConfigError(
            f"a value cannot be read: {' '.join(str(problem).split())}",
            where=CONFIG_NAME,
            fix="Put quotes around the value",
        ) from problem


def _config_error(problem: ValidationError, node: yaml.MappingNode) -> ConfigError:
    """The first problem in the order of the file, in words."""
    details = [(_place(node, item["loc"], item["type"]), item) for item in problem.errors()]
    (line, column), item = min(details, key=lambda detail: detail[0])
    path = ".".join(str(part) for part in item["loc"])
    where = f"{CONFIG_NAME}, line {line}, column {column}"
    if item["type"] == "extra_forbidden":
        known = _known_keys(item["loc"][:-1])
        alike = near_miss(str(item["loc"][-1]), known)
        return ConfigError(
            f"the key {path!r} is not known",
            where=where,
            found=repr(item["loc"][-1]),
            expected=f"one of {', '.join(known)}",
            fix=f"Did you mean {alike!r}?" if alike else "Delete it",
        )
    if item["type"] == "missing":
        return ConfigError(
            f"the key {path!r} is missing", where=CONFIG_NAME, fix=f"Add a line such as '{path}: my_study'"
        )
    quotable = item["type"] == "string_type" and isinstance(item["input"], int | float)
    return ConfigError(
        f"the value of {path!r} is not valid",
        where=where,
        found=_found(item),
        expected=_expectation(item["loc"], item["type"], item["msg"]),
        fix="Put quotes around it" if quotable else None,
    )


def _found(item: ErrorDetails) -> str:
    path = item["loc"]
    if item["input"] is None:
        return "an empty value"
    # The address of a webhook is a password: whoever has it can post. A database is given one by mistake.
    is_address = path[:1] == ("notifications",) and not (path[1:2] in (("on",), ("email",)) and len(path) > 2)
    if is_address or path[:1] == ("warehouse",):
        return "a value that is not shown, for it may hold a secret"
    return repr(item["input"])


def _expectation(path: tuple[int | str, ...], kind: str, message: str) -> str:
    words = {
        "string_type": "a text",
        "int_type": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "list_type": "a list: [one, two]",
        "dict_type": "keys and values",
        "model_type": "keys and values",
        "model_attributes_type": "keys and values",
        "string_pattern_mismatch": "bases only: A, C, G, T, N",
    }
    if kind == "string_pattern_mismatch" and path[:1] == ("notifications",):
        return "a host name" if path[-1] == "smtp_host" else "an e-mail address such as lab@example.org"
    return words.get(kind) or message.removeprefix("Input should be ").removeprefix("Value error, ")


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    sections: dict[tuple[int | str, ...], type[_Section]] = {
        (): StudyConfig,
        ("reference",): ReferenceConfig,
        ("trimming",): TrimmingConfig,
        ("thresholds",): ThresholdConfig,
        ("enrichment",): EnrichmentConfig,
        ("notifications",): NotificationsConfig,
        ("notifications", "email"): EmailConfig,
        ("inbox",): InboxConfig,
    }
    return [field.alias or name for name, field in sections.get(location, QualityRule).model_fields.items()]


def _place(node: yaml.Node, location: tuple[int | str, ...], kind: str) -> tuple[int, int]:
    """Line and column of the value at a location, of the key if that is unknown, else of what holds it."""
    for depth, part in enumerate(location):
        if isinstance(node, yaml.MappingNode):
            entry = entries(node, source=CONFIG_NAME, error=ConfigError).get(str(part))
            if entry is None:
                break
            if kind == "extra_forbidden" and depth == len(location) - 1:
                return entry.line, entry.column
            node = entry.value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
    return position(node)
