"""Where trials run when it isn't the kernel: worker processes, a Dask cluster, any backend of joblib.

In come a sweep and its turns; out go records, of trials that ended and of those whose process died.
"""
