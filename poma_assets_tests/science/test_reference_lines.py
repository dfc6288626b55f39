"""Naming a reference in a poma.yaml that a person wrote."""

from __future__ import annotations

import pytest
import yaml

from poma_assets.science.errors import ConfigError
from poma_assets.science.reference_lines import names_reference, reference_lines, with_reference

GENOME, GTF = "/cache/a b/genome.fa.gz", "/cache/#1: genes.gtf.gz"
NAMED = {"genome": GENOME, "annotation": GTF}


def test_the_lines_are_yaml_whatever_the_paths_are():
    assert reference_lines("/c/g.fa.gz", "/c/a.gtf.gz") == [
        "reference:",
        "  genome: /c/g.fa.gz",
        "  annotation: /c/a.gtf.gz",
    ]
    assert yaml.safe_load("\n".join(reference_lines(GENOME, GTF))) == {"reference": NAMED}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name: x\n", False),
        ("", False),
        ("name: x\nreference:\n", False),
        ("name: x\nreference: {star_sparse_d: 2}\n", False),
        ("reference:\n  genome: 'FILL IN: path of the genome FASTA'\n", False),
        ("reference:\n  genome: g.fa\n", True),
        ("reference: {annotation: a.gtf}\n", True),
    ],
)
def test_a_study_names_a_reference_or_not(text, named):
    assert names_reference(text) is named


def test_everything_else_stays_as_it_was_written():
    text = "# mine\nname: x   # short\ngene_sets: [go_bp]\n"
    assert with_reference(text, "/g", "/a") == text + "reference:\n  genome: /g\n  annotation: /a\n"
    assert with_reference("name: x", "/g", "/a").startswith("name: x\nreference:\n")


def test_what_init_left_open_is_replaced():
    text = (
        "name: x\nreference:\n    genome: 'FILL IN: path'  # which?\n    annotation: 'FILL IN: path'\n"
        "    star_sparse_d: 2\nprofile: human_poly_a\n"
    )
    assert with_reference(text, "/g", "/a") == (
        "name: x\nreference:\n    genome: /g\n    annotation: /a\n    star_sparse_d: 2\nprofile: human_poly_a\n"
    )


@pytest.mark.parametrize("text", ["reference:\nname: x\n", "reference: null\nname: x\n", "name: x\nreference: ~\n"])
def test_an_empty_section_is_filled_or_refused_but_never_broken(text):
    if text.startswith("reference:\n"):
        assert yaml.safe_load(with_reference(text, GENOME, GTF)) == {"name": "x", "reference": NAMED}
    else:
        with pytest.raises(ConfigError, match="Write the lines by hand: genome:"):
            with_reference(text, GENOME, GTF)


@pytest.mark.parametrize(
    "text",
    ["{name: x}\n", "reference: {star_sparse_d: 2}\n", "reference:\n  genome: >-\n    FILL IN\n  star_sparse_d: 2\n"],
)
def test_forms_that_cannot_be_added_to_are_refused(text):
    with pytest.raises(ConfigError, match="written in a way that cannot be added to"):
        with_reference(text, GENOME, GTF)
