"""Who may call a resource: the token, the key it is bound to, the client and the institution, each time.

The consent is not checked here: the transaction of the read re-reads it (`consents.service.live_consent`)
and says why it refuses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar
from uuid import UUID

import flask
from authlib.oauth2 import ResourceProtector
from authlib.oauth2.rfc6749 import MissingAuthorizationError, TokenValidator, UnsupportedTokenTypeError
from authlib.oauth2.rfc6750 import InsufficientScopeError, InvalidTokenError
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from creditlink.access import binding, context, dpop, keys, replay
from creditlink.access.context import OAuthContext
from creditlink.access.errors import InvalidRequestError, NonceNeeded, ProofRefused
from creditlink.access.opaque import hash_of
from creditlink.access.tables import AccessToken
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InsufficientScope, Problem, Unauthorized
from creditlink.kit.http import visit, why
from creditlink.kit.http.api import document_security
from creditlink.kit.http.visit import Visit
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.metering import admission
from creditlink.metering.limiter import Limiter

_LONGEST_TOKEN = 128
_SALT = "pairwise_salt"
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class InvalidTokenRequest(Problem):
    """The token was sent in a way that is not accepted."""

    status = 400
    slug = "invalid-token-request"
    title = "The access token must be sent in the Authorization header, and only there"


@dataclass(frozen=True)
class Access:
    """Who calls, under which consent (None: in the institution's own name), and for what.

    A person of the firm itself comes without a token, under the firm's consent to itself (`consents.own`).
    """

    client_id: str
    institution_id: UUID
    consent_id: UUID | None
    scopes: frozenset[str]
    authorization_details: tuple[Mapping[str, object], ...]
    token_id: UUID | None
    pairwise_salt: str = field(repr=False)  # of the institution: makes the firm ids that only it sees
    account_id: UUID | None = None  # the person of the firm, where there is no token

    @property
    def actor(self) -> str:
        """Return who the evidence names."""
        return f"bank:{self.client_id}" if self.account_id is None else f"account:{self.account_id}"


@dataclass(frozen=True)
class _Call:
    """A request to a resource, as Authlib's protector passes it on."""

    method: str
    url: str
    headers: Headers


class _BoundToken(TokenValidator):  # type: ignore[misc]  # Authlib has no types
    """What both kinds of binding share. Each request has its own, with its session and clock."""

    def __init__(self, session: Session, oauth: OAuthContext, now: datetime) -> None:
        super().__init__()
        self._session = session
        self._oauth = oauth
        self._now = now

    def authenticate_token(self, token_string: str) -> AccessToken | None:
        """Return the token if it is alive and its client and its institution are active."""
        if len(token_string) > _LONGEST_TOKEN:
            return None
        row = self._session.execute(
            _living(self._now, self._oauth)
            .where(AccessToken.token_hash == hash_of(token_string))
            # A crash of the database may lose the last half second of used jtis here, each good for a
            # minute at most; waiting for the disk at every read would save only that.
            .add_columns(func.set_config("synchronous_commit", "off", True))
        ).one_or_none()
        if row is None:
            return None
        self._session.info[_SALT] = row.pairwise_salt
        token: AccessToken = row[0]
        return token

    def validate_token(self, token: AccessToken | None, scopes: list[str], request: _Call, **_more: object) -> None:
        """Refuse a dead token, a wrong key, and a missing scope, in this order."""
        if token is None:
            raise InvalidTokenError
        self._check_binding(token, request)
        if self.scope_insufficient(" ".join(token.scopes), scopes):
            raise InsufficientScopeError

    def _check_binding(self, token: AccessToken, request: _Call) -> None:
        raise NotImplementedError


def _living(now: datetime, oauth: OAuthContext) -> Select[AccessToken, str]:
    """Select live tokens whose client and institution are active, each with the institution's salt."""
    living = (
        select(AccessToken, Institution.pairwise_salt)
        .join(Client, Client.client_id == AccessToken.client_id)
        .join(Institution, Institution.id == Client.institution_id)
        .where(
            AccessToken.revoked_at.is_(None),
            AccessToken.expires_at > now,
            AccessToken.institution_id == Institution.id,
            Client.status == "active",
            Institution.status == "active",
        )
    )
    # A sandbox's database is refused in production; if its rows ever got into another one, they would open nothing.
    return living if oauth.settings.sandbox_clients else living.where(~Client.metadata_.has_key("sandbox"))


class _DPoPToken(_BoundToken):
    """`Authorization: DPoP …` with a proof of the key."""

    TOKEN_TYPE = "dpop"  # noqa: S105 (the name of an authentication scheme)

    def _check_binding(self, token: AccessToken, request: _Call) -> None:
        raw = binding.proof_header(request.headers)
        if raw is None or token.jkt is None:
            why.note("the token came without a DPoP proof, or is bound to a certificate", "dpop")
            raise InvalidTokenError
        rules = binding.proof_rules(self._oauth.settings, self._oauth.secret, self._now)
        proof = binding.use_proof(
            self._session,
            raw,
            method=request.method,
            url=request.url,
            rules=rules,
            now=self._now,
            access_token=request.headers["Authorization"].split(None, 1)[1],
        )
        if proof.jkt != token.jkt:
            why.note("DPoP proof: signed with another key than the token is bound to", "jkt")
            raise InvalidTokenError


class _CertificateToken(_BoundToken):
    """`Authorization: Bearer …` over mutual TLS, where a trusted proxy passes on the certificate."""

    TOKEN_TYPE = "bearer"  # noqa: S105 (the name of an authentication scheme)

    def _check_binding(self, token: AccessToken, request: _Call) -> None:
        # A DPoP token sent as Bearer ends here: it has no certificate.
        thumbprint = binding.certificate_thumbprint(request.headers, self._oauth.settings)
        if thumbprint is None or token.x5t_s256 is None or thumbprint != token.x5t_s256:
            why.note("the token came as Bearer without the certificate that it is bound to", "scheme")
            raise InvalidTokenError


def require_access(scope: str) -> Callable[[Callable[Arguments, Answer]], Callable[Arguments, Answer]]:
    """Let a view run only for a valid token with `scope`; `current_access` returns whose it is."""

    def decorate(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        @functools.wraps(view)
        def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
            request_visit = visit.of(flask.request.environ)
            waited = None if request_visit is None else request_visit.access
            if isinstance(waited, Access):
                flask.g.access = after_waiting(waited)
            else:
                flask.g.access = _admitted(scope, request_visit)
            if request_visit is not None:
                request_visit.access = flask.g.access
            return view(*args, **kwargs)

        return document_security(guarded, scope)

    return decorate


def _admitted(scope: str, request_visit: Visit | None) -> Access:
    """Return whose call it is, which was within its limits and is counted; who has no good token is limited too.

    Raises
    ------
    TooManyRequests, QuotaUsedUp
    """
    limiter, now = runtime.part(Limiter), utc_now()
    try:
        access = authenticate(scope)
    except (Unauthorized, InsufficientScope):
        if not visit.is_within(flask.request.environ):
            limiter.admit_address("refused", flask.request.remote_addr, now)
        raise
    if request_visit is not None:
        # Its institution, whichever of its clients it uses: many clients of one bank are one caller.
        request_visit.caller = str(access.institution_id)
        request_visit.weight = limiter.terms_of(access.institution_id).weight
    admission.keep(limiter.admit_client(access.client_id, access.institution_id, scope, now), request_visit)
    return access


def current_access() -> Access:
    """Return whose token the current request carries: for views under `require_access`."""
    access: Access = flask.g.access
    return access


def authenticate(scope: str) -> Access:
    """Return whose token the current request carries.

    Raises
    ------
    Unauthorized, InsufficientScope, InvalidTokenRequest
        With the `WWW-Authenticate` header of RFC 6750 and RFC 9449.
    """
    oauth, sent, now = context.current(), flask.request, utc_now()
    if "access_token" in sent.args:
        raise InvalidTokenRequest(headers=_challenge(oauth, InvalidRequestError.error, now))
    call = _Call(sent.method, oauth.settings.issuer + sent.path, sent.headers)
    protector = ResourceProtector()
    try:
        with db.transaction() as session:
            protector.register_token_validator(_DPoPToken(session, oauth, now))
            protector.register_token_validator(_CertificateToken(session, oauth, now))
            token: AccessToken = protector.validate_request([scope], call)
    except (MissingAuthorizationError, UnsupportedTokenTypeError):
        # RFC 6750 section 3.1: a caller without a token learns the scheme, and no error.
        raise Unauthorized(headers=_challenge(oauth, None, now)) from None
    except InsufficientScopeError as error:
        _note_owner(sent.headers, "insufficient_scope", now)
        raise InsufficientScope(
            f"the scope {scope} is needed", headers=_challenge(oauth, error.error, now, scope=scope)
        ) from None
    except (InvalidTokenError, ProofRefused, NonceNeeded) as error:
        if not isinstance(error, NonceNeeded):
            _note_owner(sent.headers, None, now)
        raise Unauthorized(_DETAILS[error.error], headers=_challenge(oauth, error.error, now)) from None
    return _access(token, session.info[_SALT])


def after_waiting(access: Access) -> Access:
    """Return the access of a request that waited, checked again: its proof is spent, but its token may have died since.

    Raises
    ------
    Unauthorized
        The token was revoked or has expired, or its client or institution was suspended.
    """
    oauth, sent, now = context.current(), flask.request, utc_now()
    with db.transaction() as session:
        row = session.execute(_living(now, oauth).where(AccessToken.id == access.token_id)).one_or_none()
    if row is None:
        _note_owner(sent.headers, None, now)
        error = InvalidTokenError.error
        raise Unauthorized(_DETAILS[error], headers=_challenge(oauth, error, now))
    return _access(row.AccessToken, row.pairwise_salt)


def _note_owner(headers: Headers, reason: str | None, now: datetime) -> None:
    """Note whose token was refused, and why, so that its firm has evidence of the refusal.

    The sender learns no more than before. A dead token can be refused again and again without any key, so one line
    covers all refusals of one token for one reason within a minute.
    """
    sent = headers.get("Authorization", "").partition(" ")[2].strip()
    if not sent or len(sent) > _LONGEST_TOKEN:
        return
    with db.transaction() as session:
        row = session.execute(
            select(AccessToken, Client.status, Institution.status, Institution.pairwise_salt)
            .join(Client, Client.client_id == AccessToken.client_id)
            .join(Institution, Institution.id == AccessToken.institution_id)
            .where(AccessToken.token_hash == hash_of(sent))
        ).one_or_none()
        if row is None:
            return
        token, client_status, institution_status, salt = row
        cause = reason or _why_dead(token, client_status, institution_status, now)
        why.claim(token.client_id)
        why.note(f"access token: {cause}", "token")
        minute = int(now.timestamp()) // 60
        until = now + timedelta(minutes=2)
        if not replay.first_use(session, "refusal", token.id.hex, f"{cause}:{minute}", expires_at=until):
            return
    flask.g.access, flask.g.refused_for = _access(token, salt), cause


def _why_dead(token: AccessToken, client_status: str, institution_status: str, now: datetime) -> str:
    if institution_status != "active":
        return "institution_suspended"
    if client_status != "active":
        return "client_suspended"
    if token.revoked_at is not None:
        return "token_revoked"
    return "token_expired" if token.expires_at <= now else "wrong_key"


def _access(token: AccessToken, salt: str) -> Access:
    return Access(
        client_id=token.client_id,
        institution_id=token.institution_id,
        consent_id=token.consent_id,
        scopes=frozenset(token.scopes),
        authorization_details=tuple(token.details),
        token_id=token.id,
        pairwise_salt=salt,
    )


_DETAILS: dict[str, str] = {
    InvalidTokenError.error: "the access token is not valid (any more), or not with this key",
    ProofRefused.error: ProofRefused.description,
    NonceNeeded.error: NonceNeeded.description,
}


def _challenge(oauth: OAuthContext, error: str | None, now: datetime, scope: str | None = None) -> dict[str, str]:
    members = [f'algs="{" ".join(keys.ADVERTISED)}"']
    if error:
        members.append(f'error="{error}"')
    if scope:
        members.append(f'scope="{scope}"')
    headers = {"WWW-Authenticate": "DPoP " + ", ".join(members)}
    if oauth.settings.dpop_nonce:
        headers["DPoP-Nonce"] = dpop.nonces(oauth.secret, now, oauth.settings.dpop_nonce_life)[0]
    return headers
