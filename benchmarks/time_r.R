# The R side of differential_expression.py: Rscript time_r.R deseq2|edger FOLDER
arguments <- commandArgs(TRUE)
engine <- arguments[1]
folder <- arguments[2]
if (engine == "deseq2") suppressMessages(library(DESeq2)) else suppressMessages(library(edgeR))
table <- read.table(file.path(folder, "design.tsv"), header = TRUE)
size <- file.size(file.path(folder, "counts.int32")) / 4
counts <- matrix(readBin(file.path(folder, "counts.int32"), "integer", size), ncol = nrow(table))
dimnames(counts) <- list(paste0("g", seq_len(nrow(counts))), paste0("s", seq_len(ncol(counts))))
samples <- data.frame(row.names = colnames(counts), condition = factor(table$condition))
formula <- ~condition
if ("batch" %in% names(table)) {
  samples$batch <- factor(table$batch)
  formula <- ~ batch + condition
}
start <- sum(proc.time()[1:2])
if (engine == "deseq2") {
  dds <- DESeq(DESeqDataSetFromMatrix(counts, samples, formula), quiet = TRUE)
  adjusted <- results(dds, contrast = c("condition", "1", "0"), alpha = 0.05)$padj
} else {
  design <- model.matrix(formula, samples)
  y <- DGEList(counts)
  y <- calcNormFactors(y[filterByExpr(y, design), , keep.lib.sizes = FALSE])
  y <- estimateDisp(y, design)
  adjusted <- topTags(glmQLFTest(glmQLFit(y, design), coef = ncol(design)), n = Inf)$table$FDR
}
cat(sprintf('{"start_s": %.3f, "significant": %d}\n', start, sum(adjusted < 0.05, na.rm = TRUE)))
