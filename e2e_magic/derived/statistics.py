"""Bridge by the lead; replaced by the owner."""
def stable(values): return None
