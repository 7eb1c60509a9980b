"""Reports as documents: Word, PDF, workbooks, references, figures for journals, and the check that all of them agree."""
