"""The auditor's own reading of Fabric: bytes, identities, signatures, policies, versions."""
