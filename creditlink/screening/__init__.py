"""The whole population: screened from Parquet on one machine or a cluster, and matched in reverse."""
