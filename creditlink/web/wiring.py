"""Which slices the application has: blueprints, pages, and what is loaded once per process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import flask

from creditlink.cards import routes as card_routes
from creditlink.cards.rules import settings as card_settings
from creditlink.consents import routes as consents_routes
from creditlink.consents.agreement.limits import fair_use_from
from creditlink.consents.agreement.served import ServedCategories
from creditlink.decisions import routes as decisions_routes
from creditlink.decisions.archive import Archive
from creditlink.decisions.kept import classes_of
from creditlink.decisions.policy.source import load_policy
from creditlink.desk import routes as desk_routes
from creditlink.disputes.configuration import load_terms
from creditlink.disputes.corrections import routes as corrections_routes
from creditlink.engine.facts.relief_policies import relief_book_from
from creditlink.engine.overlay import limits as overlay_limits
from creditlink.enterprises.identity.oidc import OidcProvider
from creditlink.enterprises.identity.providers import IdentityProviders
from creditlink.enterprises.identity.providers import settings_of as identity_settings
from creditlink.financing import routes as financing_routes
from creditlink.financing.configuration import clocks, declines
from creditlink.financing.loans.holdings import loans_held
from creditlink.financing.loans.relations import routes as relations_routes
from creditlink.financing.requests.papers import routes as papers_routes
from creditlink.kit.http.api import Api
from creditlink.kit.processes import runtime
from creditlink.kit.settings import SettingError, Settings
from creditlink.messages.providers import load_providers
from creditlink.notifications import routes as notifications_routes
from creditlink.oauth import routes as oauth_routes
from creditlink.oauth.institution import routes as own_routes
from creditlink.objections import routes as objections_routes
from creditlink.objections import rules as objection_rules
from creditlink.operations import routes as operations_routes
from creditlink.operations.registry import routes as registry_routes
from creditlink.operations.registry.clearing import routes as clearing_routes
from creditlink.overlays import routes as overlays_routes
from creditlink.portal import routes as portal_routes
from creditlink.products import routes as products_routes
from creditlink.products.catalogue import routes as catalogue_routes
from creditlink.products.catalogue.publishing import FirmCounts
from creditlink.products.service import matching_settings
from creditlink.profiles import routes as profiles_routes
from creditlink.profiles.changes import routes as changes_routes
from creditlink.profiles.registered import routes as registered_routes
from creditlink.profiles.reliance.reviews import routes as review_routes
from creditlink.profiles.reliance.rules import load_rules
from creditlink.profiles.serving.live import load_first
from creditlink.profiles.serving.watch import ServedModels
from creditlink.records import routes as records_routes
from creditlink.records.offices.configuration import faults_of as faults_of_sources
from creditlink.records.rejections import routes as rejections_routes
from creditlink.records.sources import load_sources
from creditlink.reports import routes as reports_routes
from creditlink.reports import rules as report_rules
from creditlink.retention import routes as retention_routes
from creditlink.reviews import routes as reviews_routes
from creditlink.reviews.rules import settings as review_settings
from creditlink.screening import routes as screening_routes
from creditlink.screening.discovery import counts_for_draft
from creditlink.screening.questions import note_question
from creditlink.staff import routes as staff_routes
from creditlink.status import routes as status_routes
from creditlink.watch import routes as watch_routes
from creditlink.watch.rules import settings as watch_settings
from creditlink.web import card_pages

_FILES: tuple[Callable[[Settings], object], ...] = (
    lambda settings: settings.parsed("purposes.toml", fair_use_from),
    lambda settings: clocks(settings.config_dir),
    lambda settings: declines(settings.config_dir),
    lambda settings: matching_settings(settings.config_dir),
    lambda settings: settings.parsed("relief.toml", relief_book_from),
    lambda settings: settings.parsed("overlay.toml", overlay_limits.parse),
    lambda settings: settings.parsed(review_settings.FILE, review_settings.parse),
    lambda settings: settings.parsed(watch_settings.FILE, watch_settings.parse),
    lambda settings: settings.parsed(objection_rules.FILE, objection_rules.parse),
    lambda settings: settings.parsed(card_settings.FILE, card_settings.parse),
    lambda settings: settings.parsed(report_rules.FILE, report_rules.parse),
    load_sources,
    lambda settings: load_rules(settings, loans_held),
    classes_of,
    load_terms,
)


def check_files(settings: Settings) -> None:
    """Read the configuration files that are otherwise read only when first needed, by a request or job hours later.

    Raises
    ------
    SettingError
        One is absent or wrong; the message names it.
    """
    for read in _FILES:
        read(settings)


def faults_of_files(settings: Settings) -> list[str]:
    """Return what is wrong with the files that `check_files` reads, all of it: for `creditlink doctor`."""
    found = faults_of_sources(settings)
    for read in _FILES:
        try:
            read(settings)
        except SettingError as error:
            if str(error) not in found:
                found.append(str(error))
    return found


def _look(served: ServedModels, parts: runtime.Runtime) -> None:
    """Follow the register of models before a request; a probe of health must not wait for a database."""
    if not flask.request.path.startswith("/health"):
        served.look(parts)


def register_slices(app: flask.Flask, api: Api, settings: Settings) -> None:
    """Register every slice with the application, in the order of the API's reference."""
    check_files(settings)
    parts = runtime.of_app(app)
    first = load_first(settings)
    parts.put(first)
    served = ServedModels(settings, first)
    parts.put(served)
    app.before_request(partial(_look, served, parts))
    parts.put(Archive(load_policy(settings, first), classes_of(settings), settings.secret_key))
    parts.put(settings.parsed("purposes.toml", fair_use_from))
    parts.put(load_rules(settings, loans_held))
    parts.put(ServedCategories.of(load_sources(settings).categories))
    parts.put(settings.parsed("relief.toml", relief_book_from))
    parts.put(settings.parsed("overlay.toml", overlay_limits.parse))
    parts.put(settings.parsed(review_settings.FILE, review_settings.parse))
    parts.put(load_terms(settings))
    parts.put(settings.parsed(card_settings.FILE, card_settings.parse))
    parts.put(FirmCounts(partial(counts_for_draft, screening_routes.results_folder(settings)), note_question))
    parts.put(load_providers(settings))
    providers = [OidcProvider(one) for one in identity_settings(settings)]
    parts.put(IdentityProviders({one.name: one for one in providers}))
    oauth_routes.register(app, settings)
    desk_routes.join()
    portal_routes.register(app, settings)
    app.register_blueprint(card_routes.blueprint)
    app.register_blueprint(card_pages.blueprint)
    api.register_blueprint(consents_routes.blueprint)
    api.register_blueprint(consents_routes.receipt_keys)
    api.register_blueprint(consents_routes.purposes)
    api.register_blueprint(profiles_routes.blueprint)
    api.register_blueprint(profiles_routes.reason_codes)
    api.register_blueprint(registered_routes.blueprint)
    api.register_blueprint(decisions_routes.blueprint)
    api.register_blueprint(watch_routes.blueprint)
    api.register_blueprint(changes_routes.blueprint)
    api.register_blueprint(review_routes.blueprint)
    api.register_blueprint(reviews_routes.blueprint)
    api.register_blueprint(corrections_routes.blueprint)
    api.register_blueprint(reports_routes.blueprint)
    api.register_blueprint(objections_routes.blueprint)
    api.register_blueprint(overlays_routes.blueprint)
    api.register_blueprint(records_routes.blueprint)
    api.register_blueprint(rejections_routes.blueprint)
    api.register_blueprint(products_routes.blueprint)
    api.register_blueprint(catalogue_routes.blueprint)
    api.register_blueprint(notifications_routes.blueprint)
    api.register_blueprint(own_routes.blueprint)
    api.register_blueprint(own_routes.own_usage)
    api.register_blueprint(own_routes.own_statements)
    api.register_blueprint(products_routes.policy)
    api.register_blueprint(financing_routes.blueprint)
    api.register_blueprint(financing_routes.decline_reasons)
    api.register_blueprint(relations_routes.blueprint)
    api.register_blueprint(papers_routes.blueprint)
    api.register_blueprint(retention_routes.blueprint)
    api.register_blueprint(status_routes.blueprint)
    api.register_blueprint(staff_routes.blueprint)
    api.register_blueprint(screening_routes.blueprint)
    api.register_blueprint(screening_routes.operator)
    api.register_blueprint(operations_routes.blueprint)
    api.register_blueprint(registry_routes.blueprint)
    api.register_blueprint(clearing_routes.blueprint)
