# Counts of two simulated studies and what R DESeq2 says of their contrasts; run in this folder: Rscript make_reference.R
suppressMessages(library(DESeq2))
save <- function(x, file) {
  x <- as.data.frame(x)
  x[] <- lapply(x, function(v) if (is.numeric(v)) signif(v, 10) else v)
  write.table(x, file, sep = "\t", quote = FALSE, row.names = FALSE)
}
draw <- function(samples, effects, genes = 120) {
  means <- exp(rnorm(genes, 4.5, 1.8)); dispersions <- 0.03 + 2 / means * exp(rnorm(genes, 0, 0.4))
  changed <- seq_len(genes) %% 5 == 1
  log_means <- log(means) + (changed * rnorm(genes, 0, 1)) %o% effects[as.character(samples$time)]
  log_means <- log_means + rnorm(genes, 0, 0.3) %o% (samples$batch == "b2")
  mu <- sweep(exp(log_means), 2, runif(nrow(samples), 0.6, 1.6), `*`)
  counts <- matrix(rnbinom(length(mu), mu = mu, size = rep(1 / dispersions, nrow(samples))), genes)
  dimnames(counts) <- list(sprintf("gene%03d", seq_len(genes)), rownames(samples))
  counts[3, ] <- 0
  counts[4, samples$time != "h24"] <- 0                 # zero at h0 and h6
  counts[8, samples$time != "h0"] <- 0                  # zero at h6 and h24
  counts[9, samples$time == "h24"] <- 0
  counts[13, 2] <- 40 * max(counts[13, ]) + 4000        # an outlier
  counts[14, ] <- 0; counts[14, 5] <- 5000              # nothing but an outlier
  counts[18, nrow(samples)] <- 30 * max(counts[18, ]) + 3000
  counts[19, ] <- rpois(nrow(samples), 0.1)
  counts
}
study <- function(name, samples, full, reduced, effects, seed) {
  set.seed(seed); counts <- draw(samples, effects)
  write.table(cbind(gene_id = rownames(counts), counts), paste0(name, "_counts.tsv"), sep = "\t", quote = FALSE, row.names = FALSE)
  save(cbind(sample_id = rownames(samples), samples), paste0(name, "_samples.tsv"))
  dds <- DESeq(DESeqDataSetFromMatrix(counts, samples, full), quiet = TRUE)
  replaced <- if (is.null(mcols(dds)$replace)) FALSE else mcols(dds)$replace %in% TRUE
  save(data.frame(gene_id = rownames(dds), dispersion = dispersions(dds), replaced), paste0(name, "_dispersions.tsv"))
  results_of <- function(contrast, alpha, object = dds)
    cbind(gene_id = rownames(object), as.data.frame(results(object, contrast = contrast, alpha = alpha)))
  tables <- list()
  for (pair in list(c("h6", "h0"), c("h24", "h0"), c("h24", "h6"), c("h0", "h24")))
    tables[[paste(pair, collapse = " against ")]] <- results_of(c("time", pair), 0.05)
  tables[["mean of both"]] <- results_of(as.numeric(grepl("time", resultsNames(dds))) / 2, 0.1)
  signs <- as.numeric(resultsNames(dds) == "time_h24_vs_h0") - as.numeric(resultsNames(dds) == "time_h6_vs_h0")
  tables[["numeric"]] <- results_of(signs, 0.1)
  lrt <- DESeq(dds, test = "LRT", reduced = reduced, quiet = TRUE)
  tables[["likelihood ratio"]] <- results_of(c("time", "h24", "h0"), 0.05, lrt)
  tables <- Map(function(table, test) cbind(test = test, table), tables, names(tables))
  save(do.call(rbind, unname(tables)), paste0(name, "_results.tsv"))
}
times <- c("h0", "h6", "h24")
samples <- data.frame(time = factor(rep(times, each = 7), times), batch = factor("b1"))
rownames(samples) <- paste0(samples$time, "_", 1:7)
study("replaced", samples, ~ time, ~ 1, c(h0 = 0, h6 = 1, h24 = 1.5), 11)
samples <- data.frame(time = factor(rep(times, each = 6), times), batch = factor(rep(c("b1", "b2"), 9)))
rownames(samples) <- paste0(samples$time, "_", samples$batch, "_", rep(1:3, each = 2))
study("blocked", samples, ~ batch + time, ~ batch, c(h0 = 0, h6 = 1, h24 = 1.5), 12)

# Independent filtering: means and p values of a kind that each line describes, and R's adjusted p values.
set.seed(3)
filtering <- function(name, mean, p, alpha) {
  results <- DataFrame(baseMean = mean, log2FoldChange = 0, lfcSE = 1, stat = 0, pvalue = p)
  mcols(results) <- DataFrame(type = rep("results", 5), description = "")
  adjusted <- DESeq2:::pvalueAdjustment(results, TRUE, alpha = alpha, pAdjustMethod = "BH")
  data.frame(case = name, alpha, mean, p, p_adjusted = adjusted$padj, threshold = unname(metadata(adjusted)$filterThreshold))
}
digits <- function(x) as.numeric(format(x, digits = 12))   # the file holds what R saw
means <- digits(rgamma(120, 0.4, 0.01)); by_chance <- digits(runif(120))
high <- order(-means)
many <- digits(rgamma(300, 0.4, 0.01)); some <- digits(runif(300)); some[order(-many)[1:100]] <- digits(rbeta(100, 0.35, 6))
ten <- replace(by_chance, high[1:10], 1e-12); eleven <- replace(ten, high[11], 1e-12)
ties <- rnbinom(120, mu = 3, size = 0.5); tied <- replace(digits(rbeta(120, 0.2, 2)), ties == 0, NA)
cases <- rbind(filtering("effects in high counts", many, some, 0.05), filtering("effects in high counts", many, some, 0.1),
  filtering("no effect", means, by_chance, 0.1), filtering("all p 1", means, rep(1, 120), 0.05),
  filtering("10 found", means, ten, 0.05), filtering("11 found", means, eleven, 0.05),
  filtering("ties and zeros", ties, tied, 0.05), filtering("no p value", means, rep(NA_real_, 120), 0.05))
save(cases, "independent_filtering.tsv")
writeLines(c(R.version.string, paste("DESeq2", packageVersion("DESeq2"))), "versions.txt")
