"""
GovernLayer: ask before an agent acts.

The answer to every question is on a tamper-evident ledger before you get it. No answer means no.

    from governlayer import Action, GovernLayer

    arguments = {"to": "jan@example.com", "body": "Your invoice"}
    with GovernLayer() as governlayer:  # GOVERNLAYER_API_KEY, GOVERNLAYER_BASE_URL
        decision = governlayer.govern(
            stage="tool_call",
            agent="billing-agent",
            action=Action("send_email", tool="smtp", arguments=arguments),
        )
        send_email(**decision.arguments(arguments))  # as asked, redacted, or ActionDenied

`AsyncGovernLayer` is the same under asyncio. Errors are drawn as a tree in `governlayer.errors`.
"""

from ._config import VERSION
from .ask import Action, Agent, Content, Mode, Provenance, Resource, Scan, Stage, System, Tool
from .async_client import AsyncGovernLayer
from .client import GovernLayer
from .decision import (
    Approval,
    Decision,
    Finding,
    LedgerRef,
    Obligation,
    PolicyRef,
    PolicySet,
    Redacted,
    RedactedContent,
    Risk,
    ScanResult,
)
from .errors import (
    ActionDenied,
    ApiError,
    ApprovalRequired,
    ArgumentError,
    AuthenticationError,
    ConfigurationError,
    Conflict,
    FieldError,
    GovernanceUnavailable,
    GovernLayerError,
    InvalidRequest,
    LedgerError,
    LedgerForkError,
    LedgerKeyError,
    LedgerStateError,
    NotFound,
    PermissionDenied,
    RateLimited,
    ReceiptError,
    RedactionRequired,
    ServerError,
)
from .ledger import Checkpoint, Ledger

__version__ = VERSION

__all__ = [
    "Action",
    "ActionDenied",
    "Agent",
    "ApiError",
    "Approval",
    "ApprovalRequired",
    "ArgumentError",
    "AsyncGovernLayer",
    "AuthenticationError",
    "Checkpoint",
    "ConfigurationError",
    "Conflict",
    "Content",
    "Decision",
    "FieldError",
    "Finding",
    "GovernLayer",
    "GovernLayerError",
    "GovernanceUnavailable",
    "InvalidRequest",
    "Ledger",
    "LedgerError",
    "LedgerForkError",
    "LedgerKeyError",
    "LedgerRef",
    "LedgerStateError",
    "Mode",
    "NotFound",
    "Obligation",
    "PermissionDenied",
    "PolicyRef",
    "PolicySet",
    "Provenance",
    "RateLimited",
    "ReceiptError",
    "Redacted",
    "RedactedContent",
    "RedactionRequired",
    "Resource",
    "Risk",
    "Scan",
    "ScanResult",
    "ServerError",
    "Stage",
    "System",
    "Tool",
    "__version__",
]
