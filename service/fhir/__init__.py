"""FHIR R4: the same facts in the form that other systems read."""
