"""Where trials run when it isn't the kernel: worker processes, a Dask cluster, any backend of joblib."""
