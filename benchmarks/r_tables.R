# The R side of r_agreement.py: Rscript r_tables.R FOLDER DESIGN VARIABLE TARGET REFERENCE ALPHA
# reads FOLDER/{counts,samples}.tsv, writes FOLDER/{design,deseq2,edger,size_factors,dispersions}.tsv and versions.txt
suppressMessages({library(DESeq2); library(edgeR)})
arguments <- commandArgs(TRUE)
names(arguments) <- c("folder", "design", "variable", "target", "reference", "alpha")
save <- function(x, name) write.table(cbind(id = rownames(x), as.data.frame(x)), paste0(name, ".tsv"), sep = "\t",
  quote = FALSE, row.names = FALSE)
setwd(arguments["folder"])
counts <- as.matrix(read.delim("counts.tsv", row.names = 1, check.names = FALSE))
mode(counts) <- "integer"
samples <- read.delim("samples.tsv", row.names = 1, stringsAsFactors = TRUE, check.names = FALSE)
variable <- arguments["variable"]
samples[[variable]] <- relevel(factor(samples[[variable]]), ref = arguments["reference"])
formula <- as.formula(arguments["design"])
design <- model.matrix(formula, samples)
save(design, "design")
dds <- suppressMessages(DESeq(DESeqDataSetFromMatrix(counts, samples, formula), quiet = TRUE))
contrast <- unname(arguments[c("variable", "target", "reference")])
save(results(dds, contrast = contrast, alpha = as.numeric(arguments["alpha"])), "deseq2")
save(data.frame(size_factor = sizeFactors(dds)), "size_factors")
save(as.data.frame(mcols(dds)[, c("dispGeneEst", "dispFit", "dispersion")]), "dispersions")
y <- DGEList(counts)
y <- calcNormFactors(y[filterByExpr(y, design), , keep.lib.sizes = FALSE])
tested <- glmQLFTest(glmQLFit(estimateDisp(y, design), design), coef = paste0(variable, arguments["target"]))
save(topTags(tested, n = Inf, sort.by = "none")$table, "edger")
writeLines(c(R.version.string, paste("DESeq2", packageVersion("DESeq2")), paste("edgeR", packageVersion("edgeR"))),
  "versions.txt")
