"""Prometheus metrics of this process."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("creditlink_requests_total", "HTTP requests", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("creditlink_request_seconds", "Seconds per HTTP request", ["route"])
PROFILES = Counter("creditlink_profiles_total", "Profiles computed", ["grade"])
REFUSALS = Counter("creditlink_refusals_total", "Refused reads of a firm's data", ["reason"])
OAUTH_REFUSALS = Counter(
    "creditlink_oauth_refusals_total", "Refusals of the authorization server, of whoever asked", ["route", "error"]
)
DATABASE_TROUBLE = Counter("creditlink_database_trouble_total", "Requests refused for the database", ["problem"])
PULLS = Counter("creditlink_pulls_total", "Pulls per source and outcome", ["source", "status"])
PULL_SECONDS = Histogram("creditlink_pull_seconds", "Seconds per pull of one source", ["source"])
WEBHOOKS = Counter("creditlink_webhook_tries_total", "Tries of webhook deliveries by outcome", ["outcome"])
CONSENT_FUNNEL = Gauge(
    "creditlink_consent_funnel",
    "Requests for consent of the last 30 days by the stage they reached; none that fewer than ten firms reached",
    ["stage"],
)
MODEL_INFO = Gauge("creditlink_model_info", "The model that is loaded", ["model_id"])
