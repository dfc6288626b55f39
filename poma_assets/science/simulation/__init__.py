"""A simulated study with planted truth: genome, annotation, counts, reads, as arrays and bytes."""
