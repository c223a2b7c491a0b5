"""The jobs: one file each, options in and transforms composed."""
