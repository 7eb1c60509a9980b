"""The page of a report: the answer in brief, sections, tables whose numbers name their source."""
