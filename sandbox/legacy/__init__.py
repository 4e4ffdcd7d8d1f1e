"""A ticket desk from another century: web forms and nothing else."""
