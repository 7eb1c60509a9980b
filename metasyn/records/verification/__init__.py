"""Is every recorded figure printed in the paper, and do two readers agree?"""

from metasyn.records.verification.double_extraction import Agreement, compare
from metasyn.records.verification.paper_text import PaperText, read_paper
from metasyn.records.verification.search import Located, Verification, verify

__all__ = ["Agreement", "Located", "PaperText", "Verification", "compare", "read_paper", "verify"]
