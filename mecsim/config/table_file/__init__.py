"""Reading tables that others wrote: CSV and Parquet, with the columns that a reader needs."""
