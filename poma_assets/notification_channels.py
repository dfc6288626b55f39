"""The channels that ``poma.yaml`` and the environment configure for notifications."""

from __future__ import annotations

from collections.abc import Mapping

from poma_assets.science.errors import ConfigError
from poma_assets.science.notification_texts import ENVIRONMENT_PREFIX, WEBHOOK_RULE, is_webhook_address
from poma_assets.study_config import CONFIG_NAME, EmailConfig, NotificationsConfig
from poma_assets.tools.notify import PASSWORD_VARIABLE, Channel, Mailbox, Webhook


def channels_of(config: NotificationsConfig, environment: Mapping[str, str]) -> list[Channel]:
    """Return the configured channels; none is the default.

    Raises
    ------
    ConfigError
        A variable of the environment that is named is missing or wrong; its value is not shown.
    """
    channels: list[Channel] = []
    if config.webhook is not None:
        channels.append(Webhook(_address(config.webhook, environment)))
    if config.email is not None:
        channels.append(_mailbox(config.email, environment))
    return channels


def _address(setting: str, environment: Mapping[str, str]) -> str:
    if not setting.startswith(ENVIRONMENT_PREFIX):
        return setting
    name = setting.removeprefix(ENVIRONMENT_PREFIX)
    address = environment.get(name, "").strip()
    where = f"{CONFIG_NAME}, notifications.webhook"
    if not address:
        fix = f"Set it where poma and its daemon are started: export {name}=https://..."
        raise ConfigError(f"the environment variable {name!r} is not set", where=where, fix=fix)
    if not is_webhook_address(address):
        what = f"the environment variable {name!r} holds no address of a webhook"
        raise ConfigError(what, where=where, found="a value that is not shown", expected=WEBHOOK_RULE.split(",")[0])
    return address


def _mailbox(config: EmailConfig, environment: Mapping[str, str]) -> Mailbox:
    password = environment.get(PASSWORD_VARIABLE) or None
    if config.user is not None and password is None:
        raise ConfigError(
            f"the password of the mail server's user {config.user!r} is missing",
            where=f"{CONFIG_NAME}, notifications.email",
            found=f"no environment variable {PASSWORD_VARIABLE}",
            fix=f"Set {PASSWORD_VARIABLE} where poma and its daemon are started; it is never read from a file",
        )
    return Mailbox(
        to=tuple(config.to),
        sender=config.sender,
        host=config.smtp_host,
        port=config.smtp_port,
        starttls=config.starttls,
        user=config.user,
        password=password,
    )
