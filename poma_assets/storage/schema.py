"""The declared tables of the warehouse: names, types, comments, and what one write replaces.

Users and other programs rely on these names. A table's ``replace_by`` columns identify one partition:
a write deletes the rows that share those values and inserts the new ones, in one transaction.
"""

from __future__ import annotations

from types import MappingProxyType

from poma_assets.storage.table_declaration import Column, Table


def _columns(text: str) -> tuple[Column, ...]:
    """Read ``name TYPE comment`` lines; TYPE is one word."""
    columns = []
    for line in text.strip().splitlines():
        name, kind, comment = line.strip().split(maxsplit=2)
        columns.append(Column(name, kind, comment))
    return tuple(columns)


def _table(name: str, comment: str, columns: str, replace_by: tuple[str, ...] = ()) -> Table:
    return Table(name, comment, _columns(columns), replace_by)


_SAMPLE = "sample_id VARCHAR sample, as written in the sheet"
_GENE = "gene_id VARCHAR gene id of the annotation, without version"
_CONTRAST = "contrast_id VARCHAR contrast, as written in the contrasts file"

_ALL = (
    _table(
        "samples",
        "One row per sample of the sheet, with its metadata",
        f"""{_SAMPLE}
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
    _table(
        "sequencing_units",
        "One row per lane (row of the sheet)",
        f"""{_SAMPLE}
        unit INTEGER lane number within the sample, from 1
        fastq_1 VARCHAR path of the first reads, as written
        fastq_2 VARCHAR path of the second reads, as written; NULL if single-end or counts
        counts VARCHAR path of a per-sample count table instead of reads; NULL otherwise
        sheet_line INTEGER line of the sheet""",
    ),
    _table(
        "contrasts",
        "The declared comparisons",
        f"""{_CONTRAST}
        variable VARCHAR column of the sheet that is compared; NULL for a formula contrast
        reference VARCHAR reference level; NULL for a formula contrast
        target VARCHAR target level: positive log2 fold change is higher here
        blocking VARCHAR blocking factors, separated by semicolons
        subset VARCHAR restriction of the samples, column=value[,value][;...]
        formula VARCHAR design formula; NULL if made from variable and blocking
        contrast VARCHAR numeric or named contrast for a formula
        kind VARCHAR drug_vs_vehicle, resistant_vs_sensitive_at_vehicle, drug_by_sensitivity_interaction or other""",
    ),
    _table(
        "genes",
        "Genes of the annotation",
        f"""{_GENE}
        gene_name VARCHAR symbol; the gene id where the annotation has none
        biotype VARCHAR biotype; NULL if the annotation has none
        chromosome VARCHAR sequence name as in the FASTA
        start_bp BIGINT first base, 1-based
        end_bp BIGINT last base, inclusive
        strand VARCHAR + or -
        length_bp BIGINT length of the union of its exons""",
    ),
    _table(
        "artefacts",
        "Every file that an asset keeps",
        """asset VARCHAR asset that made it
        partition VARCHAR sample or contrast; empty for cohort assets
        role VARCHAR what it is within the asset, for example bam
        path VARCHAR path relative to the study folder (absolute if outside)
        bytes BIGINT size in bytes
        sha256 VARCHAR SHA-256 of the content
        tool VARCHAR program that made it
        tool_version VARCHAR its version
        run_id VARCHAR Dagster run that made it""",
        ("asset", "partition"),
    ),
    _table(
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
    _table(
        "read_quality",
        "FastQC of raw and trimmed reads, one row per read file",
        f"""{_SAMPLE}
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
    _table(
        "trimming",
        "Adapter and quality trimming",
        f"""{_SAMPLE}
        trimmer VARCHAR cutadapt or fastp
        read_pairs_in BIGINT read pairs before
        read_pairs_out BIGINT read pairs kept
        pass_filter_pct DOUBLE read pairs kept, per cent
        adapter_r1_pct DOUBLE first reads with adapter, per cent; NULL if the trimmer does not say
        adapter_r2_pct DOUBLE second reads with adapter, per cent; NULL if the trimmer does not say
        bases_in_bp BIGINT bases before
        bases_out_bp BIGINT bases kept
        q30_pct DOUBLE bases of quality 30 or more after trimming, per cent; NULL if the trimmer does not say""",
        ("sample_id",),
    ),
    _table(
        "alignment_quality",
        "STAR's final log, one row per sample",
        f"""{_SAMPLE}
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
    _table(
        "strandedness",
        "Library strandedness: declared, inferred from STAR GeneCounts, used",
        f"""{_SAMPLE}
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
    _table(
        "gene_counts",
        "Fragments per gene, sample and counter",
        f"""{_SAMPLE}
        {_GENE}
        counter VARCHAR featurecounts, star, htseq or given
        count BIGINT fragments""",
        ("sample_id", "counter"),
    ),
    _table(
        "count_assignment",
        "What a counter did with the fragments",
        f"""{_SAMPLE}
        counter VARCHAR featurecounts, star, htseq or given
        category VARCHAR category in the counter's own words
        fragments BIGINT fragments""",
        ("sample_id", "counter"),
    ),
    _table(
        "sample_inclusion",
        "Which samples entered the count matrix, and why not",
        f"""{_SAMPLE}
        included BOOLEAN entered the count matrix
        reason VARCHAR why not, or by whose override; NULL if included without remark""",
    ),
    _table(
        "count_matrix",
        "Counts of the samples that passed, in long form",
        f"""{_SAMPLE}
        {_GENE}
        count BIGINT fragments""",
    ),
    _table(
        "normalised_expression",
        "Expression in comparable units",
        f"""{_SAMPLE}
        {_GENE}
        normalised_count DOUBLE count divided by the DESeq2 size factor
        cpm DOUBLE counts per million assigned fragments
        tpm DOUBLE transcripts per million, by union exon length
        vst DOUBLE variance-stabilised value (DESeq2), log2 scale; NULL where it could not be fitted""",
    ),
    _table(
        "size_factors",
        "DESeq2 size factors over all included samples",
        f"""{_SAMPLE}
        size_factor DOUBLE size factor
        library_size BIGINT assigned fragments
        method VARCHAR ratio or poscounts""",
    ),
    _table(
        "sample_pca",
        "Principal components of the most variable genes",
        f"""{_SAMPLE}
        component INTEGER component, from 1
        score DOUBLE coordinate
        explained_variance_pct DOUBLE variance of the component, per cent""",
    ),
    _table(
        "sample_distances",
        "Pairwise distances of samples",
        f"""{_SAMPLE}
        other_sample_id VARCHAR the other sample
        euclidean_distance DOUBLE on variance-stabilised (or log2 CPM) values
        spearman DOUBLE Spearman correlation on log2 CPM""",
    ),
    _table(
        "sample_quality",
        "Every quality metric with its thresholds",
        f"""{_SAMPLE}
        metric VARCHAR metric
        value DOUBLE value; NULL if not recorded or not assessed
        warn VARCHAR warning rule
        fail VARCHAR failure rule
        status VARCHAR pass, warn, fail, not_recorded or not_assessed
        source VARCHAR artefact or table that it comes from""",
        ("sample_id",),
    ),
    _table(
        "sample_identity",
        "Is the sample the line that the sheet says",
        f"""{_SAMPLE}
        rule VARCHAR light_chain, heavy_chain, translocation_outlier, sex or lineage
        expected VARCHAR what the declared line should show
        observed VARCHAR what the counts show
        status VARCHAR match, mismatch, not_assessed
        likelier_line VARCHAR line that fits better; NULL if none
        detail VARCHAR figures, in words""",
    ),
    _table(
        "design_fit",
        "The samples and design of each contrast",
        f"""{_CONTRAST}
        {_SAMPLE}
        coefficient VARCHAR coefficient of the design matrix
        value DOUBLE entry of the design matrix
        contrast_weight DOUBLE weight of the coefficient in the contrast
        size_factor DOUBLE DESeq2 size factor of the sample within this design""",
        ("contrast_id",),
    ),
    _table(
        "gene_dispersions",
        "Dispersion estimates of each design",
        f"""{_CONTRAST}
        {_GENE}
        base_mean DOUBLE mean normalised count
        genewise_dispersion DOUBLE gene-wise estimate
        trend_dispersion DOUBLE fitted trend
        map_dispersion DOUBLE estimate used in the test""",
        ("contrast_id",),
    ),
    _table(
        "de_results",
        "Differential expression, one row per contrast, engine and gene",
        f"""{_CONTRAST}
        engine VARCHAR deseq2 or edger
        {_GENE}
        gene_name VARCHAR symbol
        base_mean DOUBLE mean normalised count (deseq2), mean CPM (edger)
        log2_fold_change DOUBLE unshrunken; positive is higher in target
        standard_error DOUBLE of the log2 fold change; NULL for edger
        statistic DOUBLE Wald z (deseq2), F (edger)
        p_value DOUBLE two-sided
        p_adjusted DOUBLE Benjamini-Hochberg
        shrunken_log2_fold_change DOUBLE apeglm; NULL where not computed
        status VARCHAR tested, filtered, outlier, low_count, all_zero or not_converged
        reason VARCHAR why there is no p value, in words""",
        ("contrast_id",),
    ),
    _table(
        "engine_agreement",
        "Do the two engines agree, gene by gene",
        f"""{_CONTRAST}
        {_GENE}
        gene_name VARCHAR symbol
        deseq2_log2_fold_change DOUBLE effect by DESeq2
        edger_log2_fold_change DOUBLE effect by edgeR
        deseq2_p_adjusted DOUBLE FDR by DESeq2
        edger_p_adjusted DOUBLE FDR by edgeR
        agreement VARCHAR both_significant, neither, deseq2_only, edger_only, opposite or not_comparable
        reason VARCHAR why they differ; NULL if they do not""",
        ("contrast_id",),
    ),
    _table(
        "enrichment",
        "Gene-set tests",
        f"""{_CONTRAST}
        method VARCHAR ora or gsea
        direction VARCHAR up, down or both (ora); both (gsea)
        collection VARCHAR gene-set collection
        term_id VARCHAR id of the set
        term_name VARCHAR name of the set
        set_size INTEGER tested genes in the set
        overlap INTEGER significant genes in the set (ora), leading edge size (gsea)
        score DOUBLE odds ratio (ora), enrichment score (gsea)
        normalised_score DOUBLE NULL (ora), normalised enrichment score (gsea)
        p_value DOUBLE p value; never 0
        p_adjusted DOUBLE Benjamini-Hochberg over all tested sets of the collection
        leading_genes VARCHAR symbols, separated by semicolons""",
        ("contrast_id", "method"),
    ),
    _table(
        "response_score",
        "Is the drug's programme seen at all",
        f"""{_CONTRAST}
        judged_gene VARCHAR gene left out of the score
        signature VARCHAR name and version of the signature
        n_genes INTEGER signature genes that were tested
        score DOUBLE mean signed z over the signature
        p_value DOUBLE one-sided, from random gene sets of equal size
        exposure_shown BOOLEAN p below 0.05""",
        ("contrast_id",),
    ),
    _table(
        "marker_verdicts",
        "The verdicts",
        f"""{_CONTRAST}
        hypothesis_id VARCHAR hypothesis
        gene_symbol VARCHAR marker, or set name for a set
        ensembl_gene_id VARCHAR marker's gene id
        panel VARCHAR panel of the hypothesis
        policy VARCHAR policy of the hypothesis
        verdict VARCHAR confirmed, contradicted, inconclusive or not_testable
        sub_verdict VARCHAR strong, plain, opposite, absent, small_effect, underpowered, borderline, ...
        label VARCHAR further remark, for example engaged_uncoupled
        expected_direction VARCHAR up, down or none
        min_effect_log2 DOUBLE smallest effect of interest
        log2_fold_change DOUBLE estimate, unshrunken
        standard_error DOUBLE of the estimate
        ci_low DOUBLE lower limit of the 95 % interval
        ci_high DOUBLE upper limit of the 95 % interval
        p_confirm DOUBLE one-sided p for the expected direction
        q_confirm DOUBLE the same, adjusted over the testable panel
        p_opposite DOUBLE one-sided p for the opposite direction
        q_opposite DOUBLE the same, adjusted
        p_equivalence DOUBLE two one-sided tests for an effect below the smallest of interest
        q_equivalence DOUBLE the same, adjusted
        smallest_detectable_effect_log2 DOUBLE 1.645 standard errors
        n_reference INTEGER biological replicates in the reference arm
        n_target INTEGER biological replicates in the target arm
        edger_log2_fold_change DOUBLE effect by edgeR
        edger_p_adjusted DOUBLE FDR by edgeR
        engines_agree BOOLEAN same direction in both engines
        sentence VARCHAR the explanation in one line
        hypotheses_sha256 VARCHAR hash of the table of hypotheses""",
        ("contrast_id",),
    ),
    _table(
        "verdict_history",
        "Every change of a verdict",
        f"""{_CONTRAST}
        hypothesis_id VARCHAR hypothesis
        gene_symbol VARCHAR marker
        verdict VARCHAR verdict
        sub_verdict VARCHAR sub-verdict
        log2_fold_change DOUBLE estimate
        previous_verdict VARCHAR verdict before; NULL for the first
        previous_sub_verdict VARCHAR sub-verdict before; NULL for the first
        run_id VARCHAR Dagster run
        recorded_at TIMESTAMP time, UTC
        data_version VARCHAR data version of the verdicts
        hypotheses_sha256 VARCHAR hash of the table of hypotheses""",
        ("contrast_id", "run_id"),
    ),
)

TABLES: MappingProxyType[str, Table] = MappingProxyType({table.name: table for table in _ALL})
"""All tables by name."""
