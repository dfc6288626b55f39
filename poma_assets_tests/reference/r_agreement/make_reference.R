# Results of R DESeq2 and edgeR for the counts of make_counts.py; run in this folder: Rscript make_reference.R
# tests.tsv: one line per test; contrast is empty for numeric ones, reduced is filled for likelihood ratio tests.
suppressMessages({library(DESeq2); library(edgeR)})
alpha <- 0.05
save <- function(x, file, digits = 9) {
  x <- as.data.frame(x)
  x[] <- lapply(x, function(v) if (is.double(v)) signif(v, digits) else v)
  connection <- gzfile(file, "wb", compression = 9)
  write.table(cbind(id = rownames(x), x), connection, sep = "\t", quote = FALSE, row.names = FALSE)
  close(connection)
}
read <- function(file) read.delim(file, row.names = 1, check.names = FALSE, colClasses = c("character"), na.strings = "")
tests <- read.delim("tests.tsv", colClasses = "character")
trends <- NULL
for (study in unique(tests$study)) {
  mine <- tests[tests$study == study, ]
  counts <- as.matrix(read.delim(file.path(study, "counts.tsv.gz"), row.names = 1, check.names = FALSE))
  mode(counts) <- "integer"
  samples <- read(file.path(study, "samples.tsv"))
  samples[] <- lapply(samples, function(v) factor(v, levels = unique(v)))
  formula <- as.formula(mine$design[1])
  design <- model.matrix(formula, samples)
  method <- if (all(rowSums(counts == 0) > 0)) "poscounts" else "ratio"
  dds <- DESeq(DESeqDataSetFromMatrix(counts, samples, formula), sfType = method, quiet = TRUE)
  save(design, file.path(study, "design.tsv.gz"))
  save(data.frame(size_factor = sizeFactors(dds)), file.path(study, "size_factors.tsv.gz"), 12)
  genes <- as.data.frame(mcols(dds))
  genes <- genes[, intersect(c("baseMean", "dispGeneEst", "dispFit", "dispMAP", "dispersion", "dispOutlier", "replace",
    "betaConv"), names(genes))]
  save(genes, file.path(study, "genes.tsv.gz"))
  f <- dispersionFunction(dds)
  coefficients <- attr(f, "coefficients")
  if (is.null(coefficients)) coefficients <- c(NA, NA)
  trends <- rbind(trends, data.frame(study = study, size_factors = method, kind = attr(f, "fitType"),
    asymptote = coefficients[1], extra = coefficients[2], variance_log_residuals = attr(f, "varLogDispEsts"),
    prior_variance = attr(f, "dispPriorVar")))
  y <- DGEList(counts)
  y <- y[filterByExpr(y, design), , keep.lib.sizes = FALSE]
  y <- estimateDisp(calcNormFactors(y), design)
  quasi <- glmQLFit(y, design)
  for (row in seq_len(nrow(mine))) {
    test <- mine[row, ]
    weights <- as.numeric(strsplit(test$weights, ",")[[1]])
    if (test$reduced != "") {
      lrt <- DESeq(dds, sfType = method, test = "LRT", reduced = as.formula(test$reduced), quiet = TRUE)
      table <- results(lrt, alpha = alpha)
      reduced <- model.matrix(as.formula(test$reduced), samples)
      save(reduced, file.path(study, paste0(test$test, ".reduced.tsv.gz")))
    } else if (test$contrast != "") {
      table <- results(dds, contrast = strsplit(test$contrast, ",")[[1]], alpha = alpha)
    } else {
      table <- results(dds, contrast = weights, alpha = alpha)
    }
    save(table, file.path(study, paste0(test$test, ".deseq2.tsv.gz")))
    tested <- if (test$reduced == "") glmQLFTest(quasi, contrast = weights) else
      glmQLFTest(quasi, coef = setdiff(colnames(design), colnames(reduced)))
    save(topTags(tested, n = Inf, sort.by = "none")$table, file.path(study, paste0(test$test, ".edger_ql.tsv.gz")))
  }
}
rownames(trends) <- NULL
trends[] <- lapply(trends, function(v) if (is.double(v)) signif(v, 10) else v)
write.table(trends, "trends.tsv", sep = "\t", quote = FALSE, row.names = FALSE)
writeLines(c(R.version.string, paste("DESeq2", packageVersion("DESeq2")), paste("edgeR", packageVersion("edgeR"))),
  "versions.txt")
