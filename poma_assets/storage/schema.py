"""The declared tables of the warehouse: names, types, comments, and what one write replaces.

Users and other programs rely on these names. A table's ``replace_by`` columns identify one partition:
a write deletes the rows that share those values and inserts the new ones, in one transaction.
Tables about contrasts are in ``contrast_tables``.
"""

from __future__ import annotations

from types import MappingProxyType

from poma_assets.storage.contrast_tables import CONTRAST_TABLES
from poma_assets.storage.table_declaration import (
    CONTRAST_COLUMN,
    GENE_COLUMN,
    SAMPLE_COLUMN,
    Table,
    make_table,
)

_CONTRAST_KINDS = "drug_vs_vehicle, resistant_vs_sensitive_at_vehicle, drug_by_sensitivity_interaction or other"
_IDENTITY_RULES = (
    "light_chain, heavy_chain, translocation_outlier, lineage, parent_identity, replicate_group, swap or near_duplicate"
)

_STUDY_AND_SAMPLE_TABLES = (
    make_table(
        "samples",
        "One row per sample of the sheet, with its metadata",
        f"""{SAMPLE_COLUMN}
        strandedness VARCHAR declared library strandedness: auto, forward, reverse or unstranded
        cell_line VARCHAR cell line; NULL if not recorded
        cell_context VARCHAR myeloma, t_cell, nk_cell, ...; NULL if not recorded
        sensitivity VARCHAR sensitive, resistant or unknown, as declared; never inferred
        treatment VARCHAR treatment, as written
        dose_um DOUBLE dose in micromolar
        time_h DOUBLE hours of treatment
        replicate VARCHAR biological replicate
        batch VARCHAR batch
        donor VARCHAR donor
        rin DOUBLE RNA integrity number; NULL if not recorded
        a260_a280 DOUBLE absorbance ratio; NULL if not recorded
        metadata VARCHAR all columns of the sheet for this sample, as a JSON object of texts""",
    ),
    make_table(
        "sequencing_units",
        "One row per lane (row of the sheet)",
        f"""{SAMPLE_COLUMN}
        unit INTEGER lane number within the sample, from 1
        fastq_1 VARCHAR path of the first reads, as written; NULL if counts or an accession
        fastq_2 VARCHAR path of the second reads, as written; NULL if single-end or counts
        counts VARCHAR path of a per-sample count table instead of reads; NULL otherwise
        accession VARCHAR run, experiment or sample of ENA, SRA or DDBJ whose reads are fetched; NULL otherwise
        sheet_line INTEGER line of the sheet""",
    ),
    make_table(
        "contrasts",
        "The declared comparisons",
        f"""{CONTRAST_COLUMN}
        variable VARCHAR column of the sheet that is compared; NULL for a formula contrast
        reference VARCHAR reference level; NULL for a formula contrast
        target VARCHAR target level: positive log2 fold change is higher here
        blocking VARCHAR blocking factors, separated by semicolons
        subset VARCHAR restriction of the samples, column=value[,value][;...]
        formula VARCHAR design formula; NULL if made from variable and blocking
        reduced VARCHAR smaller formula that a likelihood-ratio test compares with; NULL for a Wald test
        contrast VARCHAR numeric or named contrast for a formula
        kind VARCHAR {_CONTRAST_KINDS}
        effect VARCHAR difference (between groups) or slope (change for one unit of a number)""",
    ),
    make_table(
        "genes",
        "Genes of the annotation",
        f"""{GENE_COLUMN}
        gene_name VARCHAR symbol; the gene id where the annotation has none
        biotype VARCHAR biotype; NULL if the annotation has none
        chromosome VARCHAR sequence name as in the FASTA
        start_bp BIGINT first base, 1-based
        end_bp BIGINT last base, inclusive
        strand VARCHAR + or -
        length_bp BIGINT length of the union of its exons""",
    ),
    make_table(
        "artefacts",
        "Every file that an asset made, those included that were dropped since",
        """asset VARCHAR asset that made it
        partition VARCHAR sample or contrast; empty for cohort assets
        role VARCHAR what it is within the asset, for example bam
        path VARCHAR path relative to the study folder (absolute if outside)
        bytes BIGINT size in bytes
        sha256 VARCHAR SHA-256 of the content
        tool VARCHAR program that made it
        tool_version VARCHAR its version
        run_id VARCHAR Dagster run that made it
        dropped_at TIMESTAMP time when it was dropped to save room, UTC; NULL: the file is there""",
        ("asset", "partition"),
    ),
    make_table(
        "steps",
        "The last success of every asset partition: what it was made from and what it cost",
        """asset VARCHAR asset
        partition VARCHAR sample or contrast; empty for cohort assets
        fingerprint VARCHAR hash of code version, parameters and upstream data versions
        data_version VARCHAR hash of the content
        inputs VARCHAR upstream data versions and parameters as JSON: the reason of a rerun
        run_id VARCHAR Dagster run
        finished_at TIMESTAMP time of success, UTC
        wall_s DOUBLE seconds of wall time
        cpu_s DOUBLE CPU seconds of external programs
        peak_memory_mib DOUBLE largest resident memory of external programs
        rows BIGINT rows stored""",
        ("asset", "partition"),
    ),
    make_table(
        "read_quality",
        "FastQC of raw and trimmed reads, one row per read file",
        f"""{SAMPLE_COLUMN}
        stage VARCHAR raw or trimmed
        read VARCHAR R1 or R2
        total_sequences BIGINT reads in the file
        read_length_bp VARCHAR read length or range, in bases
        gc_pct DOUBLE GC content, per cent
        mean_quality DOUBLE mean Phred quality over reads
        q30_pct DOUBLE reads with mean quality of 30 or more, per cent
        duplication_pct DOUBLE estimated duplicates, per cent
        adapter_pct DOUBLE largest adapter content at any position, per cent
        failed_modules VARCHAR FastQC modules with FAIL, separated by semicolons
        warned_modules VARCHAR FastQC modules with WARN, separated by semicolons""",
        ("sample_id", "stage"),
    ),
    make_table(
        "trimming",
        "Adapter and quality trimming",
        f"""{SAMPLE_COLUMN}
        trimmer VARCHAR cutadapt or fastp
        read_pairs_in BIGINT read pairs before
        read_pairs_out BIGINT read pairs kept
        pass_filter_pct DOUBLE read pairs kept, per cent
        adapter_r1_pct DOUBLE first reads with adapter, per cent; NULL if the trimmer does not say
        adapter_r2_pct DOUBLE second reads with adapter, per cent; NULL if the trimmer does not say
        bases_in_bp BIGINT bases before
        bases_out_bp BIGINT bases kept
        q30_pct DOUBLE bases of quality >= 30 after trimming, per cent; NULL if the trimmer does not say""",
        ("sample_id",),
    ),
    make_table(
        "alignment_quality",
        "STAR's final log, one row per sample",
        f"""{SAMPLE_COLUMN}
        read_pairs BIGINT read pairs given to the aligner
        uniquely_mapped BIGINT read pairs mapped to one locus
        uniquely_mapped_pct DOUBLE the same, per cent
        multi_mapped_pct DOUBLE mapped to several loci, per cent
        too_many_loci_pct DOUBLE mapped to too many loci, per cent
        unmapped_pct DOUBLE not mapped, per cent
        mismatch_pct DOUBLE mismatches per base, per cent
        mean_mapped_length_bp DOUBLE mean mapped length of a pair
        splices BIGINT splice junctions crossed
        annotated_splices BIGINT of these, annotated
        bam_records BIGINT records in the BAM file""",
        ("sample_id",),
    ),
    make_table(
        "strandedness",
        "Library strandedness: declared, inferred from STAR GeneCounts, used",
        f"""{SAMPLE_COLUMN}
        declared VARCHAR as in the sheet
        inferred VARCHAR forward, reverse, unstranded or undetermined
        used VARCHAR what the counters were given
        forward_fragments BIGINT fragments in genes if forward
        reverse_fragments BIGINT fragments in genes if reverse
        unstranded_fragments BIGINT fragments in genes if unstranded
        reverse_fraction DOUBLE reverse / (forward + reverse); NULL if none
        agrees BOOLEAN declared agrees with inferred (auto always does)""",
        ("sample_id",),
    ),
    make_table(
        "gene_counts",
        "Fragments per gene, sample and counter",
        f"""{SAMPLE_COLUMN}
        {GENE_COLUMN}
        counter VARCHAR featurecounts, star, htseq or given
        count BIGINT fragments""",
        ("sample_id", "counter"),
    ),
    make_table(
        "count_assignment",
        "What a counter did with the fragments",
        f"""{SAMPLE_COLUMN}
        counter VARCHAR featurecounts, star, htseq or given
        category VARCHAR category in the counter's own words
        fragments BIGINT fragments""",
        ("sample_id", "counter"),
    ),
    make_table(
        "sample_inclusion",
        "Which samples entered the count matrix, and why not",
        f"""{SAMPLE_COLUMN}
        included BOOLEAN entered the count matrix
        reason VARCHAR why not, or by whose override; NULL if included without remark""",
    ),
    make_table(
        "count_matrix",
        "Counts of the samples that passed, in long form",
        f"""{SAMPLE_COLUMN}
        {GENE_COLUMN}
        count BIGINT fragments""",
    ),
    make_table(
        "normalised_expression",
        "Expression in comparable units",
        f"""{SAMPLE_COLUMN}
        {GENE_COLUMN}
        normalised_count DOUBLE count divided by the DESeq2 size factor
        cpm DOUBLE counts per million assigned fragments
        tpm DOUBLE transcripts per million, by union exon length
        vst DOUBLE variance-stabilised value (DESeq2), log2 scale; NULL where it could not be fitted""",
    ),
    make_table(
        "size_factors",
        "DESeq2 size factors over all included samples",
        f"""{SAMPLE_COLUMN}
        size_factor DOUBLE size factor
        library_size BIGINT assigned fragments
        method VARCHAR ratio or poscounts""",
    ),
    make_table(
        "sample_pca",
        "Principal components of the most variable genes",
        f"""{SAMPLE_COLUMN}
        component INTEGER component, from 1
        score DOUBLE coordinate
        explained_variance_pct DOUBLE variance of the component, per cent""",
    ),
    make_table(
        "sample_distances",
        "Pairwise distances of samples",
        f"""{SAMPLE_COLUMN}
        other_sample_id VARCHAR the other sample
        euclidean_distance DOUBLE on variance-stabilised (or log2 CPM) values
        spearman DOUBLE Spearman correlation on log2 CPM""",
    ),
    make_table(
        "sample_quality",
        "Every quality metric with its thresholds",
        f"""{SAMPLE_COLUMN}
        metric VARCHAR metric
        value DOUBLE value; NULL if not recorded or not assessed
        warn VARCHAR warning rule
        fail VARCHAR failure rule
        status VARCHAR pass, warn, fail, not_recorded or not_assessed
        source VARCHAR artefact or table that it comes from, with figures where there are several
        scope VARCHAR sample: decides who enters the matrix; cohort: compared with the samples there, only warns""",
        ("sample_id", "scope"),
        replace_together=("scope",),
    ),
    make_table(
        "sample_identity",
        "Is the sample what the sheet says: its line, its parent, its arm, a culture of its own",
        f"""{SAMPLE_COLUMN}
        rule VARCHAR {_IDENTITY_RULES}
        expected VARCHAR what the declared line, parent or arm should show
        observed VARCHAR what the counts show
        status VARCHAR match, mismatch (blocks verdicts), warn, not_assessed
        likelier_line VARCHAR line that fits better; NULL if none
        detail VARCHAR figures, in words""",
    ),
    make_table(
        "sample_response",
        "Did the drug's programme respond, sample by sample",
        f"""{SAMPLE_COLUMN}
        signature VARCHAR name and version of the signature
        n_genes INTEGER signature genes above 1 CPM that are expected to respond at the sample's time
        score DOUBLE mean signed distance from the vehicle samples in gene-wise spreads; NULL without vehicle samples
        reference_samples VARCHAR vehicle samples of the same line, separated by semicolons
        time_matched BOOLEAN they were taken at the sample's time; NULL if not known""",
    ),
)

TABLES: MappingProxyType[str, Table] = MappingProxyType(
    {table.name: table for table in _STUDY_AND_SAMPLE_TABLES + CONTRAST_TABLES}
)
"""All tables by name."""
