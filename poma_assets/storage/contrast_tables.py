"""The declared tables about contrasts: designs, differential expression, enrichment, verdicts."""

from __future__ import annotations

from poma_assets.storage.table_declaration import CONTRAST_COLUMN, GENE_COLUMN, SAMPLE_COLUMN, make_table

CONTRAST_TABLES = (
    make_table(
        "design_findings",
        "What the design doctor says of each contrast as declared",
        f"""{CONTRAST_COLUMN}
        severity VARCHAR error, warning or note
        code VARCHAR short name of the finding
        sentence VARCHAR what was found, which samples, what to do""",
    ),
    make_table(
        "design_fit",
        "The samples and design of each contrast",
        f"""{CONTRAST_COLUMN}
        {SAMPLE_COLUMN}
        coefficient VARCHAR coefficient of the design matrix
        value DOUBLE entry of the design matrix
        contrast_weight DOUBLE weight of the coefficient in the contrast
        size_factor DOUBLE DESeq2 size factor of the sample within this design""",
        ("contrast_id",),
    ),
    make_table(
        "gene_dispersions",
        "Dispersion estimates of each design",
        f"""{CONTRAST_COLUMN}
        {GENE_COLUMN}
        base_mean DOUBLE mean normalised count
        genewise_dispersion DOUBLE gene-wise estimate
        trend_dispersion DOUBLE fitted trend
        map_dispersion DOUBLE estimate used in the test""",
        ("contrast_id",),
    ),
    make_table(
        "de_results",
        "Differential expression, one row per contrast, engine and gene",
        f"""{CONTRAST_COLUMN}
        engine VARCHAR deseq2 or edger
        {GENE_COLUMN}
        gene_name VARCHAR symbol
        base_mean DOUBLE mean normalised count (deseq2), mean CPM (edger)
        log2_fold_change DOUBLE unshrunken; positive is higher in target
        standard_error DOUBLE of the log2 fold change; NULL for edger
        test VARCHAR wald or lrt (deseq2), ql_f (edger)
        statistic DOUBLE Wald z or likelihood-ratio chi-square (deseq2), F (edger)
        p_value DOUBLE two-sided
        p_adjusted DOUBLE Benjamini-Hochberg
        shrunken_log2_fold_change DOUBLE apeglm; NULL where not computed
        dispersion DOUBLE negative binomial dispersion that the test used
        status VARCHAR tested, filtered, outlier, low_count, all_zero or not_converged
        reason VARCHAR why there is no p value, in words""",
        ("contrast_id",),
    ),
    make_table(
        "engine_agreement",
        "Do the two engines agree, gene by gene",
        f"""{CONTRAST_COLUMN}
        {GENE_COLUMN}
        gene_name VARCHAR symbol
        deseq2_log2_fold_change DOUBLE effect by DESeq2
        edger_log2_fold_change DOUBLE effect by edgeR
        deseq2_p_adjusted DOUBLE FDR by DESeq2
        edger_p_adjusted DOUBLE FDR by edgeR
        deseq2_dispersion DOUBLE dispersion that DESeq2's test used; NULL if not known
        edger_dispersion DOUBLE trended dispersion of edgeR's model; NULL if not known or filtered
        agreement VARCHAR both_significant, neither, deseq2_only, edger_only, opposite or not_comparable
        cause VARCHAR status of the silent engine, or direction, borderline, dispersion, effect or test; NULL if none
        reason VARCHAR the cause in words and figures; NULL if they agree""",
        ("contrast_id",),
    ),
    make_table(
        "enrichment",
        "Gene-set tests",
        f"""{CONTRAST_COLUMN}
        method VARCHAR ora or gsea
        direction VARCHAR up, down or both (ora); both (gsea)
        collection VARCHAR gene-set collection
        term_id VARCHAR id of the set
        term_name VARCHAR name of the set
        set_size INTEGER tested genes in the set
        overlap INTEGER significant genes in the set (ora), leading edge size (gsea)
        expected_overlap DOUBLE significant genes in the set by chance (ora); NULL (gsea)
        score DOUBLE odds ratio (ora), enrichment score (gsea)
        normalised_score DOUBLE NULL (ora), normalised enrichment score (gsea)
        p_value DOUBLE p value; never 0
        p_adjusted DOUBLE Benjamini-Hochberg over all tested sets of the collection and direction
        permutations INTEGER random sets of the set's size that were drawn (gsea); NULL (ora)
        leading_genes VARCHAR symbols, separated by semicolons
        group_term_id VARCHAR set that stands for this and alike sets, itself if it does; NULL if not significant""",
        ("contrast_id", "method"),
    ),
    make_table(
        "response_score",
        "Is the drug's programme seen at all",
        f"""{CONTRAST_COLUMN}
        judged_gene VARCHAR gene left out of the score
        signature VARCHAR name and version of the signature
        n_genes INTEGER signature genes that were tested, at a mean count of 10 or more
        score DOUBLE mean signed z over the signature
        expected_score DOUBLE mean score of random gene sets of equal size and signs
        correlation DOUBLE mean signed correlation of the genes' residuals
        residual_df INTEGER residual degrees of freedom it was estimated from; 0: preset
        p_value DOUBLE one-sided, from random gene sets, their scores widened for the correlation
        exposure_shown BOOLEAN p below 0.05""",
        ("contrast_id",),
    ),
    make_table(
        "programme_scores",
        "Did programmes of whole populations (proliferation, death, stress, interferon) move",
        f"""{CONTRAST_COLUMN}
        programme VARCHAR proliferation, apoptosis, unfolded_protein_response or interferon
        version VARCHAR name and version of the table of programmes
        n_genes INTEGER genes that were tested, at a mean count of 10 or more; markers are left out
        n_listed INTEGER genes of the programme
        log2_fold_change DOUBLE mean over the genes, unshrunken; NULL with fewer than 5 genes
        ci_low DOUBLE lower limit of the 95 % interval, allowing for correlation
        ci_high DOUBLE upper limit of the 95 % interval
        correlation DOUBLE mean correlation of the genes' residuals that was allowed for
        p_value DOUBLE two-sided, competitive rank test
        p_adjusted DOUBLE Benjamini-Hochberg over the programmes
        moved BOOLEAN p_adjusted below 0.05, interval without 0, mean change of at least 1.1-fold""",
        ("contrast_id",),
    ),
    make_table(
        "marker_verdicts",
        "The verdicts",
        f"""{CONTRAST_COLUMN}
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
    make_table(
        "verdict_history",
        "Every change of a verdict, with its cause: from these rows follows the state after each run",
        f"""{CONTRAST_COLUMN}
        hypothesis_id VARCHAR hypothesis
        gene_symbol VARCHAR marker
        verdict VARCHAR verdict; not_asked where the hypothesis was judged before and is no longer asked
        sub_verdict VARCHAR sub-verdict
        log2_fold_change DOUBLE estimate
        standard_error DOUBLE of the estimate
        n_reference INTEGER biological replicates in the reference arm
        n_target INTEGER biological replicates in the target arm
        previous_verdict VARCHAR verdict before; NULL for the first
        previous_sub_verdict VARCHAR sub-verdict before; NULL for the first
        cause VARCHAR what differs from the contrast's last recorded judging, in words
        reference_samples VARCHAR samples of the reference arm, separated by semicolons
        target_samples VARCHAR samples of the target arm, separated by semicolons
        hypothesis VARCHAR the hypothesis as declared, as a JSON object of texts
        judged_from VARCHAR versions of samples, counts, contrast, settings and code, as a JSON object
        run_id VARCHAR Dagster run; its page in the UI is /runs/ and this id
        recorded_at TIMESTAMP time, UTC
        data_version VARCHAR data version of the verdicts
        hypotheses_sha256 VARCHAR hash of the table of hypotheses""",
        ("contrast_id", "run_id"),
    ),
)
