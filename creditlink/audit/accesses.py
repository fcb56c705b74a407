"""Which lines of a firm's evidence tell of somebody who saw its data, or tried to."""

from __future__ import annotations

from creditlink.audit.tables import AuditEntry

IS_ACCESS = AuditEntry.result.in_(("disclosed", "refused")) | AuditEntry.action.in_(("records.pull", "records.reuse"))
"""An access, a refused one, or a pull of records from their source."""
