"""Reads graphs and tables from files into memory: NumPy archives, torch files, CSV and Parquet."""
