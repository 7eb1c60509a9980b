"""Exchange with other tools: contrast tables, RevMan, ClinicalTrials.gov, references, spreadsheets, R."""
