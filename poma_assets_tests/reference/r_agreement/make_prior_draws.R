# The draws in prior_draws.py: Rscript make_prior_draws.R > prior_draws.tsv (df, then 40 bins; 200 lines per df).
# As in DESeq2 1.38.3, estimateDispersionsPriorVar.
edges <- -20:20 / 2
for (df in 1:3) {
  set.seed(2)
  for (variance in seq(from = 0, to = 8, length = 200)) {
    drawn <- log(rchisq(10000, df = df)) + rnorm(10000, 0, sqrt(variance)) - log(df)
    drawn <- drawn[drawn > min(edges) & drawn < max(edges)]
    cat(df, hist(drawn, breaks = edges, plot = FALSE)$counts, sep = "\t")
    cat("\n")
  }
}
