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
LIMITED = Counter("creditlink_limited_total", "Requests refused with 429, by the policy they were over", ["policy"])
LIMITS_SKIPPED = Counter("creditlink_limits_skipped_total", "Requests let on because the limits' store did not answer")
LIMITS_DOWN = Gauge("creditlink_limits_down", "1 while the limits' store does not answer and nobody is limited")
PULLS = Counter("creditlink_pulls_total", "Pulls per source and outcome", ["source", "status"])
PULL_SECONDS = Histogram("creditlink_pull_seconds", "Seconds per pull of one source", ["source"])
REPORTS = Histogram("creditlink_report_seconds", "Seconds to typeset the PDF of a report")
WEBHOOKS = Counter("creditlink_webhook_tries_total", "Tries of webhook deliveries by outcome", ["outcome"])
JOBS = Counter("creditlink_jobs_total", "Background jobs by task and outcome", ["task", "outcome"])
JOB_SECONDS = Histogram("creditlink_job_seconds", "Seconds per background job", ["task"])
ITEMS_FAILED = Counter("creditlink_items_failed_total", "Items that a sweep could not do", ["task"])
DEAD_LETTERS = Gauge("creditlink_dead_letters", "Failed work that waits for the operator, by task", ["task"])
EVIDENCE_SECONDS = Gauge(
    "creditlink_evidence_seconds", "Seconds since the evidence was last anchored, and stamped", ["step"]
)
JOBS_WAITING = Gauge("creditlink_jobs_waiting", "Jobs that are due, by lane", ["lane"])
JOBS_OLDEST_SECONDS = Gauge("creditlink_jobs_oldest_seconds", "How long the oldest due job waits, by lane", ["lane"])
CONSENT_FUNNEL = Gauge(
    "creditlink_consent_funnel",
    "Requests for consent of the last 30 days by the stage they reached; none that fewer than ten firms reached",
    ["stage"],
)
MODEL_INFO = Gauge("creditlink_model_info", "The model that is loaded", ["model_id"])
WATCH_SCORE_INDEX = Gauge(
    "creditlink_watch_score_index", "Stability index of the score on the last day watched", ["purpose", "model_id"]
)
WATCH_SERIES = Gauge("creditlink_watch_series", "Series of the last day watched, by level", ["purpose", "level"])
WATCH_ALARMS = Gauge("creditlink_watch_alarms", "Open alarms of the watch, by what was done", ["act"])
