# Reference results for counts.tsv by R DESeq2 and edgeR; run in this folder: Rscript make_reference.R
suppressMessages({library(DESeq2); library(edgeR)})
save <- function(x, file) {
  x <- as.data.frame(x)
  x[] <- lapply(x, function(v) if (is.numeric(v)) signif(v, 10) else v)
  write.table(cbind(id = rownames(x), x), file, sep = "\t", quote = FALSE, row.names = FALSE)
}
counts <- as.matrix(read.delim("counts.tsv", row.names = 1, check.names = FALSE)); mode(counts) <- "integer"
samples <- read.delim("samples.tsv", row.names = 1, stringsAsFactors = TRUE)
dds <- DESeq(DESeqDataSetFromMatrix(counts, samples, ~ batch + condition), quiet = TRUE)
save(results(dds, contrast = c("condition", "drug", "control"), alpha = 0.05), "deseq2.tsv")
save(data.frame(size_factor = sizeFactors(dds)), "size_factors.tsv")
save(mcols(dds)[, c("dispGeneEst", "dispFit", "dispersion")], "dispersions.tsv")
save(assay(varianceStabilizingTransformation(dds, blind = TRUE)), "vst.tsv")
y <- DGEList(counts); design <- model.matrix(~ batch + condition, samples)
y <- y[filterByExpr(y, design), , keep.lib.sizes = FALSE]; y <- estimateDisp(calcNormFactors(y), design)
q <- glmQLFTest(glmQLFit(y, design), coef = "conditiondrug")
save(topTags(q, n = Inf, sort.by = "none")$table, "edger_ql.tsv")
f <- dispersionFunction(dds)
writeLines(c(R.version.string, paste("DESeq2", packageVersion("DESeq2")), paste("edgeR", packageVersion("edgeR")),
  paste("asymptDisp", signif(attr(f, "coefficients")[1], 10)), paste("extraPois", signif(attr(f, "coefficients")[2], 10)),
  paste("dispPriorVar", signif(attr(f, "dispPriorVar"), 10))), "versions.txt")
